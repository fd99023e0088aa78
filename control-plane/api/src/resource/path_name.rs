use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::ApiError;

/// The name of a resource, percent-encoded in the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathName(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        name.map(|Path(name)| Self(name)).map_err(|_| ApiError::BadBody {
            index: None,
            field: Some("name".to_owned()),
            reason: "the name in the path is not UTF-8 once it is percent-decoded".to_owned(),
        })
    }
}
