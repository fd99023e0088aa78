use serde_json::Value;

/// Returns whether a stored document of this domain is a resource. A draining worker is a resource until its requests
/// have ended. The marker of a removed object that the configuration file still declares is not.
#[must_use]
pub fn is_visible_document(document: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return true };
    document["standing"] != "removed" && document["removed"] != true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_of_a_removal_is_not_a_resource() {
        for (document, is_visible) in [
            (r#"{"standing":"active"}"#, true),
            (r#"{"standing":{"draining":{"since_generation":7}}}"#, true),
            (r#"{"standing":"removed"}"#, false),
            (r#"{"position":1,"removed":true}"#, false),
            ("\"training\"", true),
        ] {
            assert_eq!(is_visible_document(document), is_visible, "{document}");
        }
    }
}
