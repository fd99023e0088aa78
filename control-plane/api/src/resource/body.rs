use std::{collections::BTreeMap, fmt};

use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, StatusCode, header},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use crate::ApiError;
use crate::coordinator::BODY_BYTES_MAX;

use super::unique_names::UniqueNames;

/// A resource in a request body. `status` is accepted, as in the answer of a GET, and ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(bound(deserialize = "Spec: DeserializeOwned"))]
pub(crate) struct RequestBody<Spec> {
    /// The kind; optional, but it must be that of the path.
    #[serde(default)]
    pub(crate) kind: Option<String>,
    #[serde(default, deserialize_with = "metadata_object")]
    pub(crate) metadata: BodyMetadata,
    pub(crate) spec: Spec,
    #[serde(default, rename = "status")]
    _status: Option<Value>,
}

/// The metadata of a request body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodyMetadata {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default, rename = "resourceVersion")]
    pub(crate) resource_version: Option<String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) notes: String,
}

/// Reads metadata from a JSON object. A derived implementation also accepts a list of the fields in order.
fn metadata_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BodyMetadata, D::Error> {
    struct ObjectOnly;

    impl<'de> Visitor<'de> for ObjectOnly {
        type Value = BodyMetadata;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BodyMetadata, A::Error> {
            BodyMetadata::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(ObjectOnly)
}

impl BodyMetadata {
    /// Refuses metadata that only workers have.
    ///
    /// # Errors
    /// [`ApiError::BadBody`].
    pub(crate) fn has_no_labels(&self) -> Result<(), ApiError> {
        let field = match (self.labels.is_empty(), self.notes.is_empty()) {
            (true, true) => return Ok(()),
            (false, _) => "labels",
            (true, false) => "notes",
        };
        let reason = format!("only workers have {field}");
        Err(ApiError::BadBody { index: None, field: Some(format!("metadata.{field}")), reason })
    }
}

impl<Spec> RequestBody<Spec> {
    /// Checks kind and name against the path.
    ///
    /// # Errors
    /// [`ApiError::BadBody`] for another kind or name.
    pub(crate) fn is_of(&self, kind: &str, name: &str) -> Result<(), ApiError> {
        let bad = |field: &str, reason: String| {
            Err(ApiError::BadBody { index: None, field: Some(field.to_owned()), reason })
        };
        match (&self.kind, &self.metadata.name) {
            (Some(given), _) if given != kind => bad(
                "kind",
                format!(
                    "{given:?} is not the kind of this path, {kind:?}. Leave it out, or use the path of its kind"
                ),
            ),
            (_, Some(given)) if given != name => bad(
                "metadata.name",
                format!("{given:?} is not the name in the path, {name:?}. A name cannot be changed"),
            ),
            _ => Ok(()),
        }
    }
}

/// Returns the media type of the body, without parameters; empty without one.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads a JSON body. The media type has to be JSON: a page of another site cannot send that without a preflight
/// request (CORS).
///
/// # Errors
/// [`ApiError::NotJson`], [`ApiError::TooLarge`], [`ApiError::BadBody`].
pub(crate) fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, ApiError> {
    if !matches!(media_type(headers).as_str(), "application/json" | "application/merge-patch+json") {
        return Err(ApiError::NotJson);
    }
    let wrong = |field: Option<String>, reason: String| ApiError::BadBody { index: None, field, reason };
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge(BODY_BYTES_MAX),
        _ => wrong(None, "the body is incomplete".to_owned()),
    })?;
    // serde would also accept a list of a struct's fields in order.
    if body.trim_ascii_start().first().is_some_and(|first| *first == b'[') {
        return Err(wrong(None, "must be a JSON object, not a list".to_owned()));
    }
    located::<UniqueNames, _>(&mut serde_json::Deserializer::from_slice(&body))?;
    let reader = &mut serde_json::Deserializer::from_slice(&body);
    let value = located(&mut *reader)?;
    reader.end().map_err(|error| wrong(None, error.to_string()))?;
    Ok(value)
}

/// Applies a JSON Merge Patch (RFC 7396) to the current resource, and reads the result.
///
/// # Errors
/// [`ApiError::BadBody`].
pub(crate) fn merged<T: DeserializeOwned>(mut there: Value, patch: Value) -> Result<T, ApiError> {
    if !patch.is_object() {
        let reason = "a patch must be a JSON object".to_owned();
        return Err(ApiError::BadBody { index: None, field: None, reason });
    }
    merge(&mut there, patch);
    located(there)
}

/// Reads a JSON value; an error names the field.
///
/// # Errors
/// [`ApiError::BadBody`].
pub(crate) fn located<'de, T: DeserializeOwned, D>(from: D) -> Result<T, ApiError>
where
    D: serde::Deserializer<'de>,
    D::Error: std::fmt::Display,
{
    serde_path_to_error::deserialize(from).map_err(|error| {
        let path = error.path().to_string();
        let field = (path != ".").then_some(path);
        ApiError::BadBody { index: None, field, reason: error.into_inner().to_string() }
    })
}

/// Applies a patch (RFC 7396, section 2). serde_json bounds the depth at 128.
fn merge(there: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *there = patch;
        return;
    };
    if !there.is_object() {
        *there = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(fields) = there {
        for (name, value) in patch {
            if value.is_null() {
                fields.remove(&name);
            } else {
                merge(fields.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7396, appendix A, whose result is an object.
    #[test]
    fn a_patch_changes_only_the_fields_that_it_names() {
        for (there, patch, becomes) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let outcome: Value = merged(there.clone(), patch.clone()).unwrap();
            assert_eq!(outcome, becomes, "{there} {patch}");
        }
        assert!(merged::<Value>(json!({}), json!([])).is_err());
    }

    #[test]
    fn an_error_names_its_field() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Spec {
            #[expect(dead_code, reason = "only whether it can be read counts")]
            capacity: u32,
        }
        let error = merged::<RequestBody<Spec>>(json!({}), json!({"spec": {"capacity": "x"}})).unwrap_err();
        assert!(
            matches!(&error, ApiError::BadBody { field: Some(field), .. } if field == "spec.capacity"),
            "{error}"
        );
        let body: RequestBody<Spec> =
            merged(json!({}), json!({"kind": "Pool", "spec": {"capacity": 1}})).unwrap();
        assert!(body.is_of("Worker", "a").unwrap_err().to_string().contains("\"Pool\""));
    }
}
