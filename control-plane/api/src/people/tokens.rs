use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use slotway_api_types::{MadeToken, ScopeName, TokenSpec, TokenState};
use slotway_identity::{Name, TokenRequest, TokenView, parse_lifetime};

use super::{
    bad, is_of,
    permissions::{scope, scope_name},
    query,
    session::not_kept,
};
use crate::ApiError;
use crate::{
    ApiState, List, Metadata, Problem, Resource,
    access::CallerIdentity,
    resource::{DryRun, PageQuery, PathName, Precondition, RequestBody, answer, paged, read},
};

const KIND: &str = "Token";

/// A token of a program.
pub(super) type Token = Resource<TokenSpec, TokenState>;

/// A token in a request body.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenBody {
    /// Its scope, at most that of its author.
    scope: ScopeName,
    /// Its lifetime: a whole number with a unit, such as `90m`, `720h` or `30d`; unlimited by default.
    #[serde(default)]
    #[schema(example = "720h")]
    expires_in: Option<String>,
}

/// The schema of the body of POST.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the JSON and is never built")]
pub(crate) struct TokenRequestBody {
    /// `Token`; optional.
    kind: Option<String>,
    metadata: NewResourceMetadata,
    spec: TokenBody,
}

/// The name of a new resource.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the JSON and is never built")]
pub(crate) struct NewResourceMetadata {
    /// Lower-case letters, digits, `-`, `_`, `.`, `@` and `+`, a letter or digit first, at most 100.
    name: String,
}

fn resource(view: TokenView) -> Token {
    let token = view.token;
    Resource {
        kind: KIND.to_owned(),
        metadata: Metadata::new(view.name, view.revision),
        spec: TokenSpec {
            scope: scope_name(token.scope),
            expires_at: token.expires_at.map(|at| at.to_string()),
        },
        status: TokenState {
            owner: token.owner,
            created_by: token.created_by,
            created_at: token.created_at.to_string(),
            last_used_at: view.last_used_at.map(|at| at.to_string()),
            refused: view.is_refused,
        },
    }
}

/// Lists the tokens: all of them for an admin, otherwise the user's own.
#[utoipa::path(get, path = "/api/v1/tokens", operation_id = "list_tokens", params(
    ("limit" = Option<usize>, Query, description = "Largest number of items, 1 to 1000; 500 by default", minimum = 1, maximum = 1000),
    ("continue" = Option<String>, Query, description = "The `continue` of the previous page"),
), responses(
    (status = 200, description = "A page of tokens", body = List<Resource<TokenSpec, TokenState>>),
    (status = 400, description = "Invalid page", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    CallerIdentity(identity): CallerIdentity,
    page: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<List<Token>>, ApiError> {
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
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown token, or not visible to the sender", body = Problem),
))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    CallerIdentity(identity): CallerIdentity,
    PathName(name): PathName,
) -> Result<Response, ApiError> {
    Ok(answer(StatusCode::OK, &resource(state.identity.token(&identity, &name)?), DryRun::NO))
}

/// Creates a token with at most the author's scope. Its secret is shown only once.
#[utoipa::path(post, path = "/api/v1/tokens", operation_id = "make_token", request_body = TokenRequestBody, params(
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), responses(
    (status = 201, description = "The token, with its secret", body = MadeToken),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden, or the scope is smaller than that of the token", body = Problem),
    (status = 409, description = "The name is taken, or there are too many tokens", body = Problem),
    (status = 413, description = "Body too large", body = Problem),
    (status = 415, description = "The body is not JSON", body = Problem),
    (status = 503, description = "Database unavailable", body = Problem),
))]
pub(crate) async fn make(
    State(state): State<ApiState>,
    CallerIdentity(identity): CallerIdentity,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body: RequestBody<TokenBody> = read(&headers, body)?;
    let Some(name) = body.metadata.name.clone() else {
        return Err(bad("metadata.name", "a token must have a name".to_owned()));
    };
    let name: Name = name.parse().map_err(|reason| bad("metadata.name", reason))?;
    is_of(&body, KIND, name.as_str())?;
    let expires_in = body.spec.expires_in.as_deref().map(parse_lifetime).transpose();
    let expires_in = expires_in.map_err(|reason| bad("spec.expires_in", reason))?;
    let request = TokenRequest { scope: scope(body.spec.scope), expires_in };
    let issued = state.identity.create_token(&identity, &name, &request, dry_run.0).await?;
    // The secret of a dry run is not valid.
    let secret = (!dry_run.0).then_some(issued.secret);
    let body = MadeToken { token: resource(issued.view), secret };
    let mut response = not_kept((StatusCode::CREATED, Json(body)).into_response());
    dry_run.mark(&mut response);
    Ok(response)
}

/// Deletes a token: it is refused from now on.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", operation_id = "remove_token", params(
    ("name" = String, Path, description = "The token's name"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), responses(
    (status = 200, description = "The deleted token", body = Resource<TokenSpec, TokenState>),
    (status = 400, description = "Not a name", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown token, or not visible to the sender", body = Problem),
    (status = 412, description = "Version conflict", body = Problem),
    (status = 503, description = "Database unavailable", body = Problem),
))]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    CallerIdentity(identity): CallerIdentity,
    PathName(name): PathName,
    dry_run: DryRun,
    precondition: Precondition,
) -> Result<Response, ApiError> {
    let check = |found| precondition.check(found);
    let token = state.identity.delete_token(&identity, &name, check, dry_run.0).await?;
    Ok(answer(StatusCode::OK, &resource(token), dry_run))
}
