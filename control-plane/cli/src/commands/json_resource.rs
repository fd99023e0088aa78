use serde::de::DeserializeOwned;
use serde_json::Value;

/// A resource as the control plane returns it. Fields that this program does not know, as of a newer control plane, are kept and printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JsonResource {
    name: String,
    value: Value,
}

impl JsonResource {
    /// Returns none for JSON without `metadata.name`.
    pub(super) fn new(value: Value) -> Option<Self> {
        let name = value.pointer("/metadata/name")?.as_str()?.to_owned();
        Some(Self { name, value })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the whole resource.
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the value at a path such as `status.in_flight`; none if it is absent or `null`.
    pub(super) fn at(&self, path: &str) -> Option<&Value> {
        let mut value = &self.value;
        for step in path.split('.') {
            value = value.get(step)?;
        }
        (!value.is_null()).then_some(value)
    }

    /// Returns the status as the wire type of its kind; none if it has another form.
    pub(super) fn status<Status: DeserializeOwned>(&self) -> Option<Status> {
        Status::deserialize(self.value.get("status")?).ok()
    }

    /// Returns the text at a path.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.at(path).and_then(Value::as_str)
    }

    /// Returns the whole number at a path.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.at(path).and_then(Value::as_u64)
    }

    /// Returns whether the value at a path is `true`.
    pub(super) fn is(&self, path: &str) -> bool {
        self.at(path).and_then(Value::as_bool).unwrap_or_default()
    }

    /// Returns the labels as `name=value`.
    pub(super) fn labels(&self) -> Vec<String> {
        let labels = self.at("metadata.labels").and_then(Value::as_object);
        let pairs = labels.into_iter().flatten();
        pairs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect()
    }

    /// Replaces the status.
    pub(super) fn set_status(&mut self, status: Value) {
        if let Value::Object(fields) = &mut self.value {
            fields.insert("status".to_owned(), status);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_at_a_path_is_found_and_null_is_nothing() {
        let resource = JsonResource::new(json!({
            "kind": "Worker", "metadata": { "name": "http://a", "labels": { "gpu": "a100", "rack": "7" } },
            "status": { "free": null, "in_flight": 2 }, "spec": { "cordoned": true }
        }))
        .unwrap();
        assert_eq!(resource.name(), "http://a");
        assert_eq!(
            (resource.number("status.in_flight"), resource.at("status.free"), resource.at("a.b")),
            (Some(2), None, None)
        );
        assert_eq!(
            (resource.labels().join(","), resource.is("spec.cordoned")),
            ("gpu=a100,rack=7".to_owned(), true)
        );
        assert_eq!(JsonResource::new(json!({ "kind": "Worker", "metadata": {} })), None);
    }
}
