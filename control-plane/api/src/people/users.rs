use axum::{
    Json,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use slotway_api_types::{RoleName, UserSpec, UserState};
use slotway_identity::{IdentityError, Name, Password, Scope, UserUpdate, UserView};

use super::{
    bad, is_of,
    permissions::{role, role_name},
    query,
};
use crate::ApiError;
use crate::{
    ApiState, List, Metadata, Problem, Resource,
    access::CallerIdentity,
    resource::{DryRun, PageQuery, PathName, Precondition, RequestBody, answer, merged, paged, read},
};

const KIND: &str = "User";
/// The largest number of attempts of a patch against concurrent changes.
const ATTEMPTS_MAX: usize = 8;

/// A user.
pub(super) type User = Resource<UserSpec, UserState>;

/// A user in a request body.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserBody {
    /// The permissions.
    role: RoleName,
    /// Whether the user may not sign in.
    #[serde(default)]
    disabled: bool,
    /// A new password: 12 to 256 bytes, not the name. Required for a new user; an existing user keeps the password without it.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 12, max_length = 256)]
    password: Option<Password>,
}

/// The schema of the body of PUT.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the JSON and is never built")]
pub(crate) struct UserRequestBody {
    /// `User`; optional.
    kind: Option<String>,
    spec: UserBody,
}

fn resource(view: UserView) -> User {
    let user = view.user;
    Resource {
        kind: KIND.to_owned(),
        metadata: Metadata::new(view.name, view.revision),
        spec: UserSpec { role: role_name(user.role), disabled: user.disabled },
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
    ("limit" = Option<usize>, Query, description = "Largest number of items, 1 to 1000; 500 by default", minimum = 1, maximum = 1000),
    ("continue" = Option<String>, Query, description = "The `continue` of the previous page"),
), responses(
    (status = 200, description = "A page of users", body = List<Resource<UserSpec, UserState>>),
    (status = 400, description = "Invalid page", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    page: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<List<User>>, ApiError> {
    let page = query(page, "limit and continue")?;
    let (revision, users) = state.identity.users();
    let users = users.into_iter().map(resource);
    Ok(Json(paged(KIND, revision, &page, users, |user| &user.metadata.name)?))
}

/// Shows a user. A user may read their own.
#[utoipa::path(get, path = "/api/v1/users/{name}", operation_id = "get_user", params(
    ("name" = String, Path, description = "The user's name"),
), responses(
    (status = 200, description = "The user", body = Resource<UserSpec, UserState>),
    (status = 400, description = "Not a name", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown user", body = Problem),
))]
pub(crate) async fn get(
    State(state): State<ApiState>,
    CallerIdentity(identity): CallerIdentity,
    PathName(name): PathName,
) -> Result<Response, ApiError> {
    // Without the permission, the answer must not tell whether the user exists.
    if identity.user() != Some(&name) {
        identity.require(Scope::Admin)?;
    }
    state.identity.ensure_user_is_read(&name).await?;
    Ok(answer(StatusCode::OK, &resource(state.identity.user(&name)?), DryRun::NO))
}

/// Creates or replaces a user. Another password, another role, and `disabled` end their sessions.
#[utoipa::path(put, path = "/api/v1/users/{name}", operation_id = "put_user", request_body = UserRequestBody, params(
    ("name" = String, Path, description = "The user's name"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), responses(
    (status = 200, description = "The user after the change", body = Resource<UserSpec, UserState>),
    (status = 201, description = "The new user", body = Resource<UserSpec, UserState>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 409, description = "Too many users, the last admin would lose the role, or the provider determines the role", body = Problem),
    (status = 412, description = "Version conflict", body = Problem),
    (status = 413, description = "Body too large", body = Problem),
    (status = 415, description = "The body is not JSON", body = Problem),
    (status = 503, description = "Too many passwords are hashed at once, or the database cannot be used", body = Problem),
))]
pub(crate) async fn put(
    State(state): State<ApiState>,
    CallerIdentity(identity): CallerIdentity,
    PathName(name): PathName,
    dry_run: DryRun,
    precondition: Precondition,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let name: Name = name.parse().map_err(|reason| bad("name", reason))?;
    let body: RequestBody<UserBody> = read(&headers, body)?;
    is_of(&body, KIND, name.as_str())?;
    let precondition = precondition.and_body(body.metadata.resource_version.as_deref())?;
    let update = update(body.spec);
    let check = |found| precondition.check(found);
    let (is_new, user) = state.identity.put_user(&identity, &name, &update, check, dry_run.0).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, &resource(user), dry_run))
}

/// Changes fields of a user by a JSON Merge Patch (RFC 7396).
#[utoipa::path(patch, path = "/api/v1/users/{name}", operation_id = "patch_user", params(
    ("name" = String, Path, description = "The user's name"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), request_body(content((Object = "application/json"), (Object = "application/merge-patch+json"))), responses(
    (status = 200, description = "The user after the change", body = Resource<UserSpec, UserState>),
    (status = 400, description = "Invalid request; nothing was changed", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown user", body = Problem),
    (status = 409, description = "The last admin would lose the role, or the provider determines the role", body = Problem),
    (status = 412, description = "Version conflict", body = Problem),
    (status = 413, description = "Body too large", body = Problem),
    (status = 415, description = "The body is not JSON", body = Problem),
    (status = 503, description = "Too many passwords are hashed at once, or the database cannot be used", body = Problem),
))]
pub(crate) async fn patch(
    State(state): State<ApiState>,
    CallerIdentity(identity): CallerIdentity,
    PathName(name): PathName,
    dry_run: DryRun,
    precondition: Precondition,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let patch: Value = read(&headers, body)?;
    state.identity.ensure_user_is_read(&name).await?;
    for _ in 0..ATTEMPTS_MAX {
        let there = state.identity.user(&name)?;
        let parsed: Name = name.parse().map_err(|reason| bad("name", reason))?;
        let spec = json!({ "role": role_name(there.user.role), "disabled": there.user.disabled });
        let before = json!({ "kind": KIND, "metadata": { "name": name }, "spec": spec });
        let body: RequestBody<UserBody> = merged(before, patch.clone())?;
        is_of(&body, KIND, &name)?;
        let precondition = precondition.and_body(body.metadata.resource_version.as_deref())?;
        let update = update(body.spec);
        // The patch was applied to this version; a concurrent change must not be overwritten.
        let check = |found| {
            precondition.check(found)?;
            Precondition::Version(there.revision).check(found)
        };
        match state.identity.put_user(&identity, &parsed, &update, check, dry_run.0).await {
            Err(ApiError::Stale { found: Some(found) }) if precondition.check(Some(found)).is_ok() => {}
            Err(ApiError::Stale { found: None }) if precondition == Precondition::Any => {
                return Err(IdentityError::UnknownUser { name }.into());
            }
            outcome => return outcome.map(|(_, user)| answer(StatusCode::OK, &resource(user), dry_run)),
        }
    }
    Err(ApiError::Busy)
}

/// Removes a user, with their sessions and tokens.
#[utoipa::path(delete, path = "/api/v1/users/{name}", operation_id = "remove_user", params(
    ("name" = String, Path, description = "The user's name"),
    ("dry_run" = Option<bool>, Query, description = "Validate only; change nothing"),
), responses(
    (status = 200, description = "The deleted user", body = Resource<UserSpec, UserState>),
    (status = 400, description = "Not a name", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 403, description = "Forbidden", body = Problem),
    (status = 404, description = "Unknown user", body = Problem),
    (status = 409, description = "It is the last admin", body = Problem),
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
    let user = state.identity.delete_user(&identity, &name, check, dry_run.0).await?;
    Ok(answer(StatusCode::OK, &resource(user), dry_run))
}

fn update(body: UserBody) -> UserUpdate {
    UserUpdate { role: role(body.role), disabled: body.disabled, password: body.password }
}
