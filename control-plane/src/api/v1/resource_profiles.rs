use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::HeaderMap,
};

use super::{Stated, read};
use crate::{
    agents::ResourceProfiles,
    api::{ApiState, Problem, access::By},
    error::Error,
};

/// Tells what servers may use.
#[utoipa::path(get, path = "/api/v1/resource-profiles", operation_id = "get_resource_profiles", responses(
    (status = 200, description = "What servers may use", body = Stated<ResourceProfiles>),
    (status = 401, description = "Not from this machine, and without the token", body = Problem),
))]
pub(in crate::api) async fn get(State(state): State<ApiState>) -> Json<Stated<ResourceProfiles>> {
    Json(Stated::new(state.agents.current().resource_profiles.clone()))
}

/// Says what servers may use.
#[utoipa::path(put, path = "/api/v1/resource-profiles", operation_id = "put_resource_profiles",
    request_body = ResourceProfiles, responses(
    (status = 200, description = "The profiles as they are now", body = Stated<ResourceProfiles>),
    (status = 400, description = "They are not right; nothing was changed", body = Problem),
    (status = 401, description = "Without the token", body = Problem),
))]
pub(in crate::api) async fn put(
    By(who): By,
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Stated<ResourceProfiles>>, Error> {
    let profiles: ResourceProfiles = read(&headers, body)?;
    let profiles = profiles.check()?;
    state.agents.put_resource_profiles(who, profiles.clone()).await?;
    Ok(Json(Stated::new(profiles)))
}
