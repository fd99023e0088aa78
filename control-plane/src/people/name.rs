use std::{fmt, str::FromStr};

/// Longest name of a user or a token, in bytes: with `token ` before it, it fits into an audit row.
pub const NAME_BYTES_MAX: usize = 100;

/// Who stands in audit rows without being anybody.
const TAKEN: [&str; 1] = ["system"];

/// The name of a user or a token. E-mail addresses are names. Only small letters, so that two names that look alike are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.@+".contains(&byte);
        let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let right =
            text.len() <= NAME_BYTES_MAX && text.bytes().next().is_some_and(first) && text.bytes().all(good);
        if !right {
            let shown: String = text.chars().take(NAME_BYTES_MAX).collect();
            return Err(format!(
                "{shown:?} is not a name: small letters, digits, `-`, `_`, `.`, `@` and `+`, a letter or digit first, at most {NAME_BYTES_MAX}"
            ));
        }
        if TAKEN.contains(&text) {
            return Err(format!("{text:?} stands in audit rows for the program itself; choose another name"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_be_taken_for_another_nor_for_what_stands_in_audit_rows() {
        for right in ["ada", "ada@example.org", "a+b_c-d.e", "7", &"a".repeat(NAME_BYTES_MAX)] {
            assert_eq!(right.parse::<Name>().unwrap().as_str(), right);
        }
        for wrong in [
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
            assert!(wrong.parse::<Name>().is_err(), "{wrong:?}");
        }
    }
}
