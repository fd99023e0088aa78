use axum::{
    extract::FromRequestParts,
    http::{HeaderName, header, request::Parts},
};

use crate::ApiError;

/// The precondition of a change (RFC 9110, section 13).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Nothing.
    #[default]
    Any,
    /// The resource does not exist: `If-None-Match: *`.
    Absent,
    /// The resource exists: `If-Match: *`.
    Present,
    /// The resource has this version: `If-Match: "42"`.
    Version(u64),
}

impl Precondition {
    /// Combines the headers with `metadata.resourceVersion` of the body.
    ///
    /// # Errors
    /// [`ApiError::BadBody`] for an invalid version, or another one than the header's.
    pub(crate) fn and_body(self, version: Option<&str>) -> Result<Self, ApiError> {
        let Some(version) = version.filter(|version| !version.is_empty()) else { return Ok(self) };
        let bad = |reason: String| ApiError::BadBody {
            index: None,
            field: Some("metadata.resourceVersion".to_owned()),
            reason,
        };
        let version = version
            .parse()
            .map_err(|_| bad(format!("{version:?} is not a version. Send the one that GET returns")))?;
        match self {
            Self::Any | Self::Present => Ok(Self::Version(version)),
            Self::Version(header) if header == version => Ok(self),
            Self::Version(_) | Self::Absent => Err(bad("differs from the version of the header".to_owned())),
        }
    }

    /// Checks the precondition against the current version.
    ///
    /// # Errors
    /// [`ApiError::Stale`].
    pub(crate) fn check(self, found: Option<u64>) -> Result<(), ApiError> {
        let holds = match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::Present => found.is_some(),
            Self::Version(version) => found == Some(version),
        };
        if holds { Ok(()) } else { Err(ApiError::Stale { found }) }
    }
}

impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let text = |name: &HeaderName| {
            let bad = |reason: &str| ApiError::BadBody {
                index: None,
                field: Some(name.to_string()),
                reason: reason.to_owned(),
            };
            match parts.headers.get(name).map(|value| value.to_str()) {
                None => Ok(None),
                Some(Ok(text)) => Ok(Some(text.trim())),
                Some(Err(_)) => Err(bad("is not text")),
            }
        };
        let bad = |field: HeaderName, reason: &str| ApiError::BadBody {
            index: None,
            field: Some(field.to_string()),
            reason: reason.to_owned(),
        };
        match (text(&header::IF_MATCH)?, text(&header::IF_NONE_MATCH)?) {
            (None, None) => Ok(Self::Any),
            (None, Some("*")) => Ok(Self::Absent),
            (Some("*"), None) => Ok(Self::Present),
            (Some(tag), None) => {
                let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
                let version = version.and_then(|version| version.parse().ok());
                version.map(Self::Version).ok_or_else(|| {
                    bad(
                        header::IF_MATCH,
                        "must be the `ETag` of a GET with its quotation marks (\"42\"), or *",
                    )
                })
            }
            (None, Some(_)) => Err(bad(header::IF_NONE_MATCH, "must be *")),
            (Some(_), Some(_)) => Err(bad(header::IF_MATCH, "cannot be combined with if-none-match")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precondition_holds_only_for_its_version() {
        for (precondition, found, holds) in [
            (Precondition::Any, None, true),
            (Precondition::Any, Some(1), true),
            (Precondition::Absent, None, true),
            (Precondition::Absent, Some(1), false),
            (Precondition::Present, None, false),
            (Precondition::Present, Some(1), true),
            (Precondition::Version(1), Some(1), true),
            (Precondition::Version(1), Some(2), false),
            (Precondition::Version(1), None, false),
        ] {
            assert_eq!(precondition.check(found).is_ok(), holds, "{precondition:?} {found:?}");
        }
    }

    #[test]
    fn a_version_in_the_body_counts_like_the_header_and_may_not_contradict_it() {
        let with = |precondition: Precondition, body| precondition.and_body(body).ok();
        assert_eq!(with(Precondition::Any, None), Some(Precondition::Any));
        assert_eq!(with(Precondition::Any, Some("7")), Some(Precondition::Version(7)));
        assert_eq!(with(Precondition::Version(7), Some("7")), Some(Precondition::Version(7)));
        assert_eq!(with(Precondition::Version(7), Some("8")), None);
        assert_eq!(with(Precondition::Absent, Some("8")), None);
        assert_eq!(with(Precondition::Any, Some("x")), None);
    }
}
