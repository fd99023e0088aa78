use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, request::Parts},
    response::Response,
};

use crate::ApiError;

const HEADER: HeaderName = HeaderName::from_static("slotway-dry-run");

/// Whether a change is only validated: `?dry_run=true`. The answer is that of the change, but nothing is changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DryRun(pub(crate) bool);

impl DryRun {
    /// No dry run.
    pub(crate) const NO: Self = Self(false);

    /// Marks the answer as that of a dry run.
    pub(crate) fn mark(self, response: &mut Response) {
        if self.0 {
            response.headers_mut().insert(HEADER, HeaderValue::from_static("true"));
        }
    }
}

impl<S: Sync> FromRequestParts<S> for DryRun {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let given = query.split('&').filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
            (name == "dry_run").then_some(value)
        });
        let mut dry = Self::NO;
        for value in given {
            dry = match value {
                "true" => Self(true),
                "false" => Self::NO,
                other => {
                    let reason = format!("`dry_run` is `true` or `false`, not {other:?}");
                    return Err(ApiError::BadBody { index: None, field: Some("dry_run".to_owned()), reason });
                }
            };
        }
        Ok(dry)
    }
}
