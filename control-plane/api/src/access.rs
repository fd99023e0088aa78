//! The access table: what each endpoint requires. An endpoint without an entry is not served.

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use slotway_api_types::{RequiredScope, ResourceKind, kinds};
use slotway_identity::{AuthenticationMethod, Identity, IdentityError, Scope};
use utoipa::openapi::{
    OpenApi,
    path::{Operation, PathItem},
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use super::{
    ApiState,
    cookies::{self, SESSION_COOKIE},
    problem,
    sender::credentials,
};
use crate::ApiError;
use slotway_store::Who;

/// The requirement of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// None.
    Nothing,
    /// This scope.
    Scope(Scope),
    /// A session with any scope.
    Session,
    /// A session with any scope for the user's own resources, or the scope `admin`.
    SessionOrAdmin,
}

const NOTHING: Needs = Needs::Nothing;
const READ: Needs = Needs::Scope(Scope::Read);
const WORKERS: Needs = Needs::Scope(Scope::Workers);
const ADMIN: Needs = Needs::Scope(Scope::Admin);
const SESSION: Needs = Needs::Session;
const OWN: Needs = Needs::SessionOrAdmin;

/// The endpoints with their own handlers, and those that belong to no kind: method, path in the router's form, and
/// requirement. The endpoints of ordinary kinds follow from their descriptors.
const TABLE: &[(&str, &str, Needs)] = &[
    ("GET", "/healthz", NOTHING),
    ("GET", "/readyz", NOTHING),
    ("GET", "/readyz/xds", NOTHING),
    ("GET", "/readyz/store", NOTHING),
    ("GET", "/openapi.json", NOTHING),
    ("GET", "/metrics", READ),
    ("GET", "/coordinator/workers", READ),
    ("POST", "/coordinator/workers", WORKERS),
    ("DELETE", "/coordinator/workers", WORKERS),
    ("GET", "/coordinator/envoys", READ),
    ("GET", "/api/v1/coordinators", READ),
    ("GET", "/api/v1/coordinators/{name}", READ),
    ("GET", "/api/v1/audit", READ),
    ("GET", "/api/v1/events", READ),
    ("GET", "/api/v1/pools", READ),
    ("GET", "/api/v1/pools/{name}", READ),
    ("PUT", "/api/v1/pools/{name}", ADMIN),
    ("PATCH", "/api/v1/pools/{name}", ADMIN),
    ("DELETE", "/api/v1/pools/{name}", ADMIN),
    ("GET", "/api/v1/policies", READ),
    ("GET", "/api/v1/policies/{name}", READ),
    ("PUT", "/api/v1/policies/{name}", ADMIN),
    ("PATCH", "/api/v1/policies/{name}", ADMIN),
    ("GET", "/api/v1/workers", READ),
    ("GET", "/api/v1/workers/{name}", READ),
    ("PUT", "/api/v1/workers/{name}", WORKERS),
    ("PATCH", "/api/v1/workers/{name}", WORKERS),
    ("DELETE", "/api/v1/workers/{name}", WORKERS),
    ("POST", "/api/v1/workers/{name}/cordon", WORKERS),
    ("POST", "/api/v1/workers/{name}/uncordon", WORKERS),
    ("POST", "/api/v1/workers/{name}/drain", WORKERS),
    // Changes of pools and policies require `admin`, which the handler checks after it has read the list.
    ("POST", "/api/v1/apply", WORKERS),
    ("GET", "/api/v1/session", READ),
    ("POST", "/api/v1/session", NOTHING),
    ("DELETE", "/api/v1/session", SESSION),
    ("PUT", "/api/v1/session/password", SESSION),
    ("GET", "/api/v1/users", ADMIN),
    ("GET", "/api/v1/users/{name}", OWN),
    ("PUT", "/api/v1/users/{name}", ADMIN),
    ("PATCH", "/api/v1/users/{name}", ADMIN),
    ("DELETE", "/api/v1/users/{name}", ADMIN),
    ("GET", "/api/v1/tokens", OWN),
    ("POST", "/api/v1/tokens", OWN),
    ("GET", "/api/v1/tokens/{name}", OWN),
    ("DELETE", "/api/v1/tokens/{name}", OWN),
    ("GET", "/api/v1/oidc/login", NOTHING),
    ("GET", "/api/v1/oidc/callback", NOTHING),
];

/// Returns the requirement of an endpoint; `None` for one that must not be served. HEAD counts as GET.
pub(super) fn needs(method: &Method, path: &str) -> Option<Needs> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let listed = TABLE.iter().find(|(listed, at, _)| *listed == method && *at == path);
    listed.map(|(.., needs)| *needs).or_else(|| {
        let mut ordinary = kinds::ordinary().flat_map(endpoints);
        ordinary.find(|(listed, at, _)| *listed == method && at == path).map(|(.., needs)| needs)
    })
}

/// Returns the endpoints of an ordinary kind.
fn endpoints(kind: &'static ResourceKind) -> impl Iterator<Item = (&'static str, String, Needs)> {
    let (read, change) = (Needs::from(kind.read), Needs::from(kind.change));
    let all = [
        ("GET", kind.collection(), read),
        ("GET", kind.item(), read),
        ("PUT", kind.item(), change),
        ("PATCH", kind.item(), change),
        ("DELETE", kind.item(), change),
    ];
    all.into_iter().filter(|(method, ..)| *method != "DELETE" || kind.is_deletable())
}

impl From<RequiredScope> for Needs {
    fn from(scope: RequiredScope) -> Self {
        Self::Scope(scope_of(scope))
    }
}

/// Returns the scope for a descriptor's scope.
pub(super) fn scope_of(scope: RequiredScope) -> Scope {
    match scope {
        RequiredScope::Read => Scope::Read,
        RequiredScope::Workers => Scope::Workers,
        RequiredScope::Admin => Scope::Admin,
    }
}

/// Authenticates the sender, checks the requirement of the endpoint, and passes the identity on.
pub(super) async fn enforce(
    State(state): State<ApiState>,
    matched: MatchedPath,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let Some(needs) = needs(&parts.method, matched.as_str()) else {
        return Ok(problem::method_not_allowed(parts.method, parts.uri).await.into_response());
    };
    if needs == Needs::Nothing {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    }
    let identity = match state.identity.authenticate(credentials(&parts)).await {
        Ok(identity) => identity.ok_or(ApiError::Unauthorized(
            "say who you are: send `Authorization: Bearer TOKEN`, or sign in with POST /api/v1/session; the admin token is in \
             `admin-token` in the state directory. Without any, reads are for this machine alone, by its loopback address",
        ))?,
        // The browser deletes the cookie. Its next request has no credentials.
        Err(error @ IdentityError::SessionEnded) => {
            let cookie = cookies::delete_session(state.identity.settings().secure_cookies);
            return Ok(([(header::SET_COOKIE, cookie)], ApiError::from(error)).into_response());
        }
        Err(error) => return Err(error.into()),
    };
    needs.are_met_by(&identity)?;
    parts.extensions.insert(identity.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    // The access log, an outer layer, reads the identity.
    response.extensions_mut().insert(identity.clone());
    Ok(response)
}

impl Needs {
    /// Checks that an identity has the permission.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`] if there are no credentials, [`IdentityError::Forbidden`], [`IdentityError::NeedsSession`].
    fn are_met_by(self, identity: &Identity) -> Result<(), ApiError> {
        let scope = match self {
            Self::Nothing => return Ok(()),
            Self::Session | Self::SessionOrAdmin if identity.has_session() => return Ok(()),
            Self::Session | Self::SessionOrAdmin => Scope::Admin,
            Self::Scope(scope) => scope,
        };
        if identity.method == AuthenticationMethod::Local && scope > Scope::Read {
            return Err(ApiError::Unauthorized(
                "this needs credentials: send `Authorization: Bearer TOKEN`, or sign in with POST /api/v1/session; the admin token \
                 is in `admin-token` in the state directory",
            ));
        }
        if self == Self::Session {
            return Ok(identity.require_session().map(drop)?);
        }
        Ok(identity.require(scope)?)
    }
}

/// The author of the request, for audit entries.
pub(super) struct RequestAuthor(pub(super) Who);

impl FromRequestParts<ApiState> for RequestAuthor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        let identity = parts.extensions.get::<Identity>();
        identity
            .map(|identity| Self(identity.who.clone()))
            .ok_or(ApiError::Unauthorized("authentication required"))
    }
}

/// The identity of the sender.
pub(super) struct CallerIdentity(pub(super) Identity);

impl FromRequestParts<ApiState> for CallerIdentity {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Identity>()
            .cloned()
            .map(Self)
            .ok_or(ApiError::Unauthorized("authentication required"))
    }
}

/// Adds authentication and requirements to the API's description.
pub(super) fn describe(api: &mut OpenApi) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = api.components.get_or_insert_with(Default::default);
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let cookie =
        ApiKeyValue::with_description(SESSION_COOKIE, "The session; changes also need `x-csrf-token`");
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            let session = |scope: Option<Scope>| {
                SecurityRequirement::new("session", scope.map(Scope::as_str).into_iter().collect::<Vec<_>>())
            };
            let token = |scope: Scope| SecurityRequirement::new("token", [scope.as_str()]);
            operation.security = match needs(&method, path) {
                None | Some(Needs::Nothing) => None,
                Some(Needs::Scope(scope)) => Some(vec![token(scope), session(Some(scope))]),
                Some(Needs::Session) => Some(vec![session(None)]),
                Some(Needs::SessionOrAdmin) => Some(vec![token(Scope::Admin), session(None)]),
            };
        }
    }
}

/// Returns the operations of a path with their methods.
pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let all = [
        (Method::GET, get),
        (Method::PUT, put),
        (Method::POST, post),
        (Method::DELETE, delete),
        (Method::PATCH, patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_described_endpoints_and_the_table_are_the_same() {
        let mut api = super::super::description();
        let described: BTreeSet<_> = api
            .paths
            .paths
            .iter_mut()
            .flat_map(|(path, item)| operations(item).map(|(method, _)| (method.to_string(), path.clone())))
            .collect();
        let ordinary =
            kinds::ordinary().flat_map(endpoints).map(|(method, path, _)| (method.to_owned(), path));
        let all: Vec<_> = TABLE
            .iter()
            .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
            .chain(ordinary)
            .collect();
        let listed: BTreeSet<_> = all.iter().cloned().collect();
        assert_eq!(described, listed);
        assert_eq!(listed.len(), all.len(), "an entry occurs twice");
    }

    #[test]
    fn only_endpoints_without_information_need_no_credentials() {
        let open: Vec<_> =
            TABLE.iter().filter(|(.., needs)| *needs == NOTHING).map(|(_, path, _)| *path).collect();
        let probes = ["/healthz", "/readyz", "/readyz/xds", "/readyz/store", "/openapi.json"];
        let ways_in = ["/api/v1/session", "/api/v1/oidc/login", "/api/v1/oidc/callback"];
        assert_eq!(open, [&probes[..], &ways_in].concat());
    }
}
