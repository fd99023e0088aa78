use std::{fmt, str::FromStr};

/// Longest name of a user or a token, in bytes. An audit row has room for it with the prefix `token `.
pub const NAME_BYTES_MAX: usize = 100;

/// Names in audit rows that are no users.
const RESERVED: [&str; 1] = ["system"];

/// The name of a user or a token. E-mail addresses are valid. Only lowercase letters, so that no two names differ by case alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_allowed = |byte: u8| is_first(byte) || b"-_.@+".contains(&byte);
        let is_valid = text.len() <= NAME_BYTES_MAX
            && text.bytes().next().is_some_and(is_first)
            && text.bytes().all(is_allowed);
        if !is_valid {
            return Err(format!(
                "{:?} is not a name: use lowercase letters, digits, `-`, `_`, `.`, `@` and `+`, begin with a letter or a digit, \
                 at most {NAME_BYTES_MAX} characters",
                truncated(text)
            ));
        }
        if RESERVED.contains(&text) {
            return Err(format!("{text:?} stands for the control plane in audit rows; choose another name"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Cuts a requested name to the longest valid length, for a message.
pub(crate) fn truncated(name: &str) -> String {
    name.chars().take(NAME_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_differs_from_other_names_and_from_the_reserved_names_of_audit_rows() {
        for valid in ["ada", "ada@example.org", "a+b_c-d.e", "7", &"a".repeat(NAME_BYTES_MAX)] {
            assert_eq!(valid.parse::<Name>().unwrap().as_str(), valid);
        }
        for invalid in [
            "",
            "Ada",
            "admin token",
            "token x",
            "система",
            "a b",
            "-a",
            "a/b",
            "system",
            "a\n",
            &"a".repeat(101),
        ] {
            assert!(invalid.parse::<Name>().is_err(), "{invalid:?}");
        }
    }
}
