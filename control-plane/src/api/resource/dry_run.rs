use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, request::Parts},
    response::Response,
};

use crate::error::Error;

const HEADER: HeaderName = HeaderName::from_static("slotway-dry-run");

/// Whether a change is only validated: `?dry_run=true`. The answer is that of the change, and nothing is changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::api) struct DryRun(pub(in crate::api) bool);

impl DryRun {
    /// Not a dry run.
    pub(in crate::api) const NO: Self = Self(false);

    /// Marks the answer as that of a dry run.
    pub(in crate::api) fn mark(self, response: &mut Response) {
        if self.0 {
            response.headers_mut().insert(HEADER, HeaderValue::from_static("true"));
        }
    }
}

impl<S: Sync> FromRequestParts<S> for DryRun {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
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
                    return Err(Error::BadBody { index: None, field: Some("dry_run".to_owned()), reason });
                }
            };
        }
        Ok(dry)
    }
}
