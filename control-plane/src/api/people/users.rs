use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use slotway_identity::{IdentityError, Name, Password, Scope, UserUpdate, UserView};

use super::{bad, is_of, permissions::RoleName, query};
use crate::{
    api::{
        ApiState, List, Metadata, Problem, Resource,
        access::Asking,
        resource::{DryRun, Given, PageQuery, PathName, Precondition, answer, merged, paged, read},
    },
    error::Error,
};

const KIND: &str = "User";
/// How often a patch is made anew on what somebody else has changed meanwhile.
const ATTEMPTS_MAX: usize = 8;

/// A person.
pub(super) type User = Resource<UserSpec, UserState>;

/// What somebody wants of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserSpec {
    /// What they may do.
    pub role: RoleName,
    /// Whether they are kept out.
    pub disabled: bool,
}

/// What is known of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserState {
    /// Whether they have a password here, or come from the provider: `password` or `oidc`.
    pub signs_in_by: String,
    /// How many sessions they have.
    pub sessions: usize,
    /// Since when there is such a user (RFC 3339, UTC).
    pub created_at: String,
    /// When the password was changed last.
    pub password_changed_at: Option<String>,
}

/// A user as somebody sends them.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct UserBody {
    /// What they may do.
    role: RoleName,
    /// Whether they are kept out.
    #[serde(default)]
    disabled: bool,
    /// A new password: 12 to 256 bytes, not the name. A new user needs one; of another, the one that there is stays without it.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 12, max_length = 256)]
    password: Option<Password>,
}

/// What a PUT of a user takes, as the API's description shows it.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the JSON and is never built")]
pub(in crate::api) struct UserGiven {
    /// `User`, where it is said.
    kind: Option<String>,
    spec: UserBody,
}

fn resource(view: UserView) -> User {
    let user = view.user;
    Resource {
        kind: KIND.to_owned(),
        metadata: Metadata::new(view.name, view.revision),
        spec: UserSpec { role: user.role.into(), disabled: user.disabled },
        status: UserState {
            signs_in_by: if user.is_from_provider() { "oidc" } else { "password" }.to_owned(),
            sessions: view.sessions,
            created_at: user.created_at.to_string(),
            password_changed_at: user.password_changed_at().map(|at| at.to_string()),
        },
    }
}

/// Lists the users.
#[utoipa::path(get, path = "/api/v1/users", operation_id = "list_users", params(
    ("limit" = Option<usize>, Query, description = "At most so many, from 1 to 1000; 500 if absent", minimum = 1, maximum = 1000),
    ("continue" = Option<String>, Query, description = "The `continue` of the page before"),
), responses(
    (status = 200, description = "A page of users", body = List<Resource<UserSpec, UserState>>),
    (status = 400, description = "Not a page", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
))]
pub(in crate::api) async fn list(
    State(state): State<ApiState>,
    page: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<List<User>>, Error> {
    let page = query(page, "limit and continue")?;
    let (revision, users) = state.identity.users();
    let users = users.into_iter().map(resource);
    Ok(Json(paged(KIND, revision, &page, users, |user| &user.metadata.name)?))
}

/// Shows a user; a person may look at themselves.
#[utoipa::path(get, path = "/api/v1/users/{name}", operation_id = "get_user", params(
    ("name" = String, Path, description = "The user's name"),
), responses(
    (status = 200, description = "The user", body = Resource<UserSpec, UserState>),
    (status = 400, description = "Not a name", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
    (status = 404, description = "There is no such user", body = Problem),
))]
pub(in crate::api) async fn get(
    State(state): State<ApiState>,
    Asking(identity): Asking,
    PathName(name): PathName,
) -> Result<Response, Error> {
    // Whoever may not look must not learn who there is.
    if identity.user() != Some(&name) {
        identity.require(Scope::Admin)?;
    }
    state.identity.ensure_user_is_read(&name).await?;
    Ok(answer(StatusCode::OK, &resource(state.identity.user(&name)?), DryRun::NO))
}

/// Adds a user, or makes the one of this name so. Another password, another role, and to be kept out end their sessions.
#[utoipa::path(put, path = "/api/v1/users/{name}", operation_id = "put_user", request_body = UserGiven, params(
    ("name" = String, Path, description = "The user's name"),
    ("dry_run" = Option<bool>, Query, description = "Only try it"),
), responses(
    (status = 200, description = "The user, as they are now", body = Resource<UserSpec, UserState>),
    (status = 201, description = "The new user", body = Resource<UserSpec, UserState>),
    (status = 400, description = "It is not right; nothing was changed", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
    (status = 409, description = "There are too many, the last admin would be one no longer, or the provider decides it", body = Problem),
    (status = 412, description = "It is another version that is there", body = Problem),
    (status = 413, description = "The body is too large", body = Problem),
    (status = 415, description = "The body is no JSON", body = Problem),
    (status = 503, description = "Too many passwords are hashed at once, or the database cannot be used", body = Problem),
))]
pub(in crate::api) async fn put(
    State(state): State<ApiState>,
    Asking(identity): Asking,
    PathName(name): PathName,
    dry_run: DryRun,
    precondition: Precondition,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let name: Name = name.parse().map_err(|reason| bad("name", reason))?;
    let given: Given<UserBody> = read(&headers, body)?;
    is_of(&given, KIND, name.as_str())?;
    let precondition = precondition.and_body(given.metadata.resource_version.as_deref())?;
    let update = update(given.spec);
    let check = |found| precondition.check(found);
    let (is_new, user) = state.identity.put_user(&identity, &name, &update, check, dry_run.0).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, &resource(user), dry_run))
}

/// Changes what a JSON Merge Patch (RFC 7396) says of a user, and leaves the rest.
#[utoipa::path(patch, path = "/api/v1/users/{name}", operation_id = "patch_user", params(
    ("name" = String, Path, description = "The user's name"),
    ("dry_run" = Option<bool>, Query, description = "Only try it"),
), request_body(content((Object = "application/json"), (Object = "application/merge-patch+json"))), responses(
    (status = 200, description = "The user, as they are now", body = Resource<UserSpec, UserState>),
    (status = 400, description = "It is not right; nothing was changed", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
    (status = 404, description = "There is no such user", body = Problem),
    (status = 409, description = "The last admin would be one no longer, or the provider decides it", body = Problem),
    (status = 412, description = "It is another version that is there", body = Problem),
    (status = 413, description = "The body is too large", body = Problem),
    (status = 415, description = "The body is no JSON", body = Problem),
    (status = 503, description = "Too many passwords are hashed at once, or the database cannot be used", body = Problem),
))]
pub(in crate::api) async fn patch(
    State(state): State<ApiState>,
    Asking(identity): Asking,
    PathName(name): PathName,
    dry_run: DryRun,
    precondition: Precondition,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let patch: Value = read(&headers, body)?;
    state.identity.ensure_user_is_read(&name).await?;
    for _ in 0..ATTEMPTS_MAX {
        let there = state.identity.user(&name)?;
        let parsed: Name = name.parse().map_err(|reason| bad("name", reason))?;
        let spec = json!({ "role": RoleName::from(there.user.role), "disabled": there.user.disabled });
        let before = json!({ "kind": KIND, "metadata": { "name": name }, "spec": spec });
        let given: Given<UserBody> = merged(before, patch.clone())?;
        is_of(&given, KIND, &name)?;
        let precondition = precondition.and_body(given.metadata.resource_version.as_deref())?;
        let update = update(given.spec);
        // What the patch leaves is what is there now: no other version may take its place unseen.
        let check = |found| {
            precondition.check(found)?;
            Precondition::Version(there.revision).check(found)
        };
        match state.identity.put_user(&identity, &parsed, &update, check, dry_run.0).await {
            Err(Error::Stale { found: Some(found) }) if precondition.check(Some(found)).is_ok() => {}
            Err(Error::Stale { found: None }) if precondition == Precondition::Any => {
                return Err(IdentityError::UnknownUser { name }.into());
            }
            outcome => return outcome.map(|(_, user)| answer(StatusCode::OK, &resource(user), dry_run)),
        }
    }
    Err(Error::Busy)
}

/// Removes a user, with their sessions and tokens.
#[utoipa::path(delete, path = "/api/v1/users/{name}", operation_id = "remove_user", params(
    ("name" = String, Path, description = "The user's name"),
    ("dry_run" = Option<bool>, Query, description = "Only try it"),
), responses(
    (status = 200, description = "What they were", body = Resource<UserSpec, UserState>),
    (status = 400, description = "Not a name", body = Problem),
    (status = 401, description = "It is not known who asks", body = Problem),
    (status = 403, description = "They may not", body = Problem),
    (status = 404, description = "There is no such user", body = Problem),
    (status = 409, description = "They are the last admin", body = Problem),
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
    let user = state.identity.delete_user(&identity, &name, check, dry_run.0).await?;
    Ok(answer(StatusCode::OK, &resource(user), dry_run))
}

fn update(body: UserBody) -> UserUpdate {
    UserUpdate { role: body.role.into(), disabled: body.disabled, password: body.password }
}
