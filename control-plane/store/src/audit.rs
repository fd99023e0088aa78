use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Kind;

/// Most audit rows that are kept; the oldest go first.
pub const AUDIT_ROWS_MAX: u64 = 100_000;
/// Most audit rows in one answer.
pub const AUDIT_PAGE_MAX: u32 = 1_000;
/// Longest name of somebody who changes something, in bytes.
pub const WHO_BYTES_MAX: usize = 128;

/// What stands in an audit row in place of a secret.
pub const HIDDEN: &str = "(hidden)";

/// Who changes something, as it stands in the audit rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Who(Cow<'static, str>);

impl Who {
    /// Whoever has the admin token.
    pub const ADMIN_TOKEN: Self = Self(Cow::Borrowed("admin token"));
    /// Somebody on this machine, without credentials. They change nothing.
    pub const LOCAL: Self = Self(Cow::Borrowed("somebody on this machine"));
    /// The configuration file, read at a start.
    pub const CONFIG_FILE: Self = Self(Cow::Borrowed("config file"));
    /// `slotway restore`.
    pub const RESTORE: Self = Self(Cow::Borrowed("slotway restore"));
    /// The program itself, for example when a removed worker has drained.
    pub const SYSTEM: Self = Self(Cow::Borrowed("system"));

    /// Somebody by name: a user, or a token. A name that is too long is cut.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let end = name.floor_char_boundary(WHO_BYTES_MAX);
        Self(Cow::Owned(name[..end].replace('\0', "")))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an audit row says of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditEntry {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    /// JSON text without secrets; `None` where there was none.
    pub(crate) before: Option<String>,
    /// JSON text without secrets; `None` where it was deleted.
    pub(crate) after: Option<String>,
}

/// One change of one document, as it is kept for those who ask later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Rises from row to row.
    pub id: u64,
    /// The store's revision that the change made; the rows of one batch share it.
    pub revision: u64,
    /// When, as Unix time in milliseconds, by the database's clock.
    pub at_ms: i64,
    /// Who.
    pub who: String,
    /// What it is about, by the name of its [`Kind`]. Text, so that a row of a kind that is no more can still be shown.
    pub kind: String,
    /// Its key among its kind.
    pub key: String,
    /// JSON text without secrets; `None` where there was none.
    pub before: Option<String>,
    /// JSON text without secrets; `None` where it was deleted.
    pub after: Option<String>,
}

/// Which audit rows are wanted; newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only rows older than the one with this id: the next page.
    pub before: Option<u64>,
    /// Only changes that were made after this revision of the store.
    pub after_revision: Option<u64>,
    /// Only changes that this revision of the store has.
    pub up_to_revision: Option<u64>,
    /// Only changes of this kind.
    pub kind: Option<String>,
    /// Only changes of documents with this key.
    pub key: Option<String>,
    /// Only changes by them.
    pub who: Option<String>,
    /// At most so many, from 1 to [`AUDIT_PAGE_MAX`].
    pub limit: u32,
}

impl AuditQuery {
    /// The newest row of all.
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

/// The words that end the name of a field with a secret.
const SECRET_WORDS: [&str; 9] = [
    "password",
    "passphrase",
    "secret",
    "token",
    "credentials",
    "access_key",
    "private_key",
    // A hash is what somebody guesses passwords against.
    "password_hash",
    "secret_hash",
];

/// Whether a field of this name holds a secret.
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    SECRET_WORDS.iter().any(|word| name.ends_with(word))
}

/// A document with its secrets hidden: every field whose name says that it holds one, and the password of every URL. A
/// document that is no JSON is hidden whole.
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

/// `scheme://user:password@host` with the password hidden; `None` where there is none.
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
    fn secrets_are_hidden_wherever_they_stand() {
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
    fn a_name_that_is_too_long_is_cut_between_two_characters() {
        let name = "ü".repeat(WHO_BYTES_MAX);
        assert_eq!(Who::named(&name).as_str(), "ü".repeat(WHO_BYTES_MAX / 2));
    }
}
