use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use slotway_identity::{Name, TokenRequest, TokenView, parse_lifetime};

use super::{bad, is_of, permissions::ScopeName, query, session::not_kept};
use crate::{
    api::{
        ApiState, List, Metadata, Problem, Resource,
        access::Asking,
        resource::{DryRun, Given, PageQuery, PathName, Precondition, answer, paged, read},
    },
    error::Error,
};

const KIND: &str = "Token";

/// A token of a program's.
pub(super) type Token = Resource<TokenSpec, TokenState>;

/// What somebody wants of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenSpec {
    /// What it may.
    pub scope: ScopeName,
    /// From when on it is refused (RFC 3339, UTC); `null` for never.
    pub expires_at: Option<String>,
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenState {
    /// Whose it is; `null` for one that was made with the admin token.
    pub owner: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When (RFC 3339, UTC).
    pub created_at: String,
    /// When it was used last, to within a minute.
    pub last_used_at: Option<String>,
    /// Whether it is refused: it has expired, or its owner may not come in.
    pub refused: bool,
}

/// A token that was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MadeToken {
    /// What everybody may see of it.
    #[serde(flatten)]
    pub token: Resource<TokenSpec, TokenState>,
    /// What is sent as `Authorization: Bearer`. It is told this once; absent from a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A token as somebody sends it.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct TokenBody {
    /// What it may: no more than whoever makes it.
    scope: ScopeName,
    /// After how long it is refused: a whole number with a unit, as in `90m`, `720h` or `30d`; never without it.
    #[serde(default)]
    #[schema(example = "720h")]
    expires_in: Option<String>,
}

/// What a POST of a token takes, as the API's description shows it.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the JSON and is never built")]
pub(in crate::api) struct TokenGiven {
    /// `Token`, where it is said.
    kind: Option<String>,
    metadata: NameGiven,
    spec: TokenBody,
}

/// What a new resource is called.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the JSON and is never built")]
pub(in crate::api) struct NameGiven {
    /// Small letters, digits, `-`, `_`, `.`, `@` and `+`, a letter or digit first, at most 100.
    name: String,
}

fn resource(view: TokenView) -> Token {
    let token = view.token;
    Resource {
        kind: KIND.to_owned(),
        metadata: Metadata::new(view.name, view.revision),
        spec: TokenSpec { scope: token.scope.into(), expires_at: token.expires_at.map(|at| at.to_string()) },
        status: TokenState {
            owner: token.owner,
            created_by: token.created_by,
            created_at: token.created_at.to_string(),
            last_used_at: view.last_used_at.map(|at| at.to_string()),
            refused: view.is_refused,
        },
    }
}

/// Lists the tokens: an admin sees all, a person their own.
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "list_tokens", params(
    ("limit" = Option<usize>, Query, description = "At most so many, from 1 to 1000; 500 if absent", minimum = 1, maximum = 1000),
    ("continue" = Option<String>, Query, description = "The `continue` of the page before"),
), responses(
    (status = 200, description = "A page of tokens", body = List<Resource<TokenSpec, TokenState>>),
    (status = 400, description = "Not a page", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
))]
pub(in crate::api) async fn list(
    State(state): State<ApiState>,
    Asking(identity): Asking,
    page: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<List<Token>>, Error> {
    let page = query(page, "limit and continue")?;
    let (revision, tokens) = state.identity.tokens(&identity);
    let tokens = tokens.into_iter().map(resource);
    Ok(Json(paged(KIND, revision, &page, tokens, |token| &token.metadata.name)?))
}

/// Shows a token, without its secret.
#[utoipa::path(get, path = "/api/v1/tokens/{name}", operation_id = "get_token", params(
    ("name" = String, Path, description = "The token's name"),
), responses(
    (status = 200, description = "The token", body = Resource<TokenSpec, TokenState>),
    (status = 400, description = "Not a name", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
    (status = 404, description = "There is no such token, or none that whoever asks may see", body = Problem),
))]
pub(in crate::api) async fn get(
    State(state): State<ApiState>,
    Asking(identity): Asking,
    PathName(name): PathName,
) -> Result<Response, Error> {
    Ok(answer(StatusCode::OK, &resource(state.identity.token(&identity, &name)?), DryRun::NO))
}

/// Makes a token, which may no more than whoever makes it. Its secret is told this once.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "make_token", request_body = TokenGiven, params(
    ("dry_run" = Option<bool>, Query, description = "Only try it"),
), responses(
    (status = 201, description = "The token, with its secret", body = MadeToken),
    (status = 400, description = "It is not right; nothing was changed", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not, or may less than the token would", body = Problem),
    (status = 409, description = "There is one of this name, or there are too many", body = Problem),
    (status = 413, description = "The body is too large", body = Problem),
    (status = 415, description = "The body is no JSON", body = Problem),
    (status = 503, description = "The database cannot be used", body = Problem),
))]
pub(in crate::api) async fn make(
    State(state): State<ApiState>,
    Asking(identity): Asking,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let given: Given<TokenBody> = read(&headers, body)?;
    let Some(name) = given.metadata.name.clone() else {
        return Err(bad("metadata.name", "a token needs a name".to_owned()));
    };
    let name: Name = name.parse().map_err(|reason| bad("metadata.name", reason))?;
    is_of(&given, KIND, name.as_str())?;
    let expires_in = given.spec.expires_in.as_deref().map(parse_lifetime).transpose();
    let expires_in = expires_in.map_err(|reason| bad("spec.expires_in", reason))?;
    let request = TokenRequest { scope: given.spec.scope.into(), expires_in };
    let issued = state.identity.create_token(&identity, &name, &request, dry_run.0).await?;
    // A secret that opens nothing need not be shown.
    let secret = (!dry_run.0).then_some(issued.secret);
    let body = MadeToken { token: resource(issued.view), secret };
    let mut response = not_kept((StatusCode::CREATED, Json(body)).into_response());
    dry_run.mark(&mut response);
    Ok(response)
}

/// Deletes a token: it is refused from now on.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", operation_id = "remove_token", params(
    ("name" = String, Path, description = "The token's name"),
    ("dry_run" = Option<bool>, Query, description = "Only try it"),
), responses(
    (status = 200, description = "What it was", body = Resource<TokenSpec, TokenState>),
    (status = 400, description = "Not a name", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
    (status = 404, description = "There is no such token, or none that whoever asks may see", body = Problem),
    (status = 412, description = "It is another version that is there", body = Problem),
    (status = 503, description = "The database cannot be used", body = Problem),
))]
pub(in crate::api) async fn remove(
    State(state): State<ApiState>,
    Asking(identity): Asking,
    PathName(name): PathName,
    dry_run: DryRun,
    precondition: Precondition,
) -> Result<Response, Error> {
    let check = |found| precondition.check(found);
    let token = state.identity.delete_token(&identity, &name, check, dry_run.0).await?;
    Ok(answer(StatusCode::OK, &resource(token), dry_run))
}
