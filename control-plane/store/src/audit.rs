use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Kind;

/// The maximum number of audit rows. The oldest are removed first.
pub const AUDIT_ROWS_MAX: u64 = 100_000;
/// The maximum number of audit rows in one answer.
pub const AUDIT_PAGE_MAX: u32 = 1_000;
/// The maximum length of the author's name, in bytes.
pub const WHO_BYTES_MAX: usize = 128;

/// Replaces a secret in an audit row.
pub const HIDDEN: &str = "(hidden)";

/// The author of a change, as audit rows name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Who(Cow<'static, str>);

impl Who {
    /// A client with the admin token.
    pub const ADMIN_TOKEN: Self = Self(Cow::Borrowed("admin token"));
    /// A local client without credentials. It may only read.
    pub const LOCAL: Self = Self(Cow::Borrowed("local client"));
    /// The configuration file, read when the control plane starts.
    pub const CONFIG_FILE: Self = Self(Cow::Borrowed("config file"));
    /// `slotway restore`.
    pub const RESTORE: Self = Self(Cow::Borrowed("slotway restore"));
    /// The control plane itself, for example when it deletes a removed worker that has drained.
    pub const SYSTEM: Self = Self(Cow::Borrowed("system"));

    /// Returns a user or a token as the author. Truncates a name that is too long.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let end = name.floor_char_boundary(WHO_BYTES_MAX);
        Self(Cow::Owned(name[..end].replace('\0', "")))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One document's part of an audit row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditEntry {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    /// JSON text without secrets; `None` if the document was created.
    pub(crate) before: Option<String>,
    /// JSON text without secrets; `None` if the document was deleted.
    pub(crate) after: Option<String>,
}

/// One change of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Increases from row to row.
    pub id: u64,
    /// The store's revision after the change. All rows of one batch have the same.
    pub revision: u64,
    /// The time of the change as Unix time in milliseconds, by the database's clock.
    pub at_ms: i64,
    /// The author's name.
    pub who: String,
    /// The name of the document's [`Kind`]. It is text so that rows of kinds that no longer exist can be shown.
    pub kind: String,
    /// The document's key within its kind.
    pub key: String,
    /// JSON text without secrets; `None` if the document was created.
    pub before: Option<String>,
    /// JSON text without secrets; `None` if the document was deleted.
    pub after: Option<String>,
}

/// A query of audit rows. The newest rows come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only rows with a smaller id than this one. The next page starts here.
    pub before: Option<u64>,
    /// Only changes with a greater revision than this one.
    pub after_revision: Option<u64>,
    /// Only changes with at most this revision.
    pub up_to_revision: Option<u64>,
    /// Only changes of documents of this kind.
    pub kind: Option<String>,
    /// Only changes of documents with this key.
    pub key: Option<String>,
    /// Only changes by the author with this name.
    pub who: Option<String>,
    /// The maximum number of rows, from 1 to [`AUDIT_PAGE_MAX`].
    pub limit: u32,
}

impl AuditQuery {
    /// Returns a query for the newest row.
    #[must_use]
    pub fn newest() -> Self {
        Self {
            before: None,
            after_revision: None,
            up_to_revision: None,
            kind: None,
            key: None,
            who: None,
            limit: 1,
        }
    }
}

/// The suffixes of names of fields with a secret.
const SECRET_WORDS: [&str; 10] = [
    "password",
    "passphrase",
    "secret",
    "token",
    "credentials",
    "access_key",
    "private_key",
    "node_key",
    // With a hash, an attacker can test passwords offline.
    "password_hash",
    "secret_hash",
];

/// Returns whether a field with this name holds a secret.
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    SECRET_WORDS.iter().any(|word| name.ends_with(word))
}

/// Returns a document without its secrets: fields whose names end in one of [`SECRET_WORDS`], and passwords in URLs.
/// Hides the whole document if it is not JSON.
pub fn without_secrets(document: &str) -> String {
    match serde_json::from_str::<Value>(document) {
        Ok(mut value) => {
            hide(&mut value);
            value.to_string()
        }
        Err(_) => format!("\"{HIDDEN}\""),
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if names_a_secret(name) && !field.is_null() {
                    *field = HIDDEN.into();
                } else {
                    hide(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::String(text) => {
            if let Some(shown) = without_password(text) {
                *text = shown;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Hides the password of `scheme://user:password@host`. Returns `None` if the text has no such password.
fn without_password(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (user_info, host) = rest[..end].rsplit_once('@')?;
    let (user, _) = user_info.split_once(':')?;
    Some(format!("{scheme}://{user}:{HIDDEN}@{host}{}", &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_at_every_depth() {
        for (document, shown) in [
            (r#"{"capacity":3,"worker":"http://a"}"#, r#"{"capacity":3,"worker":"http://a"}"#),
            (
                r#"{"s3":{"secret_access_key":"x","bucket":"b"}}"#,
                r#"{"s3":{"bucket":"b","secret_access_key":"(hidden)"}}"#,
            ),
            (
                r#"[{"Password":"x"},{"api-token":{"a":1}}]"#,
                r#"[{"Password":"(hidden)"},{"api-token":"(hidden)"}]"#,
            ),
            (
                r#"{"password_hash":"$argon2id$v=19$x","secret_hash":"0a","hash":"0b"}"#,
                r#"{"hash":"0b","password_hash":"(hidden)","secret_hash":"(hidden)"}"#,
            ),
            (r#"{"password":null,"tokens":1}"#, r#"{"password":null,"tokens":1}"#),
            (r#"{"to":"https://u:p@h/x?y"}"#, r#"{"to":"https://u:(hidden)@h/x?y"}"#),
            (r#"{"to":"https://u@h/x:y@z"}"#, r#"{"to":"https://u@h/x:y@z"}"#),
            ("password=x", r#""(hidden)""#),
        ] {
            assert_eq!(without_secrets(document), shown, "{document}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_truncated_at_a_character_boundary() {
        let name = "ü".repeat(WHO_BYTES_MAX);
        assert_eq!(Who::named(&name).as_str(), "ü".repeat(WHO_BYTES_MAX / 2));
    }
}
