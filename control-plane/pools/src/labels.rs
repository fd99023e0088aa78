use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The maximum number of labels of one worker.
const LABELS_MAX: usize = 32;
/// The maximum length of the name and of the value of a label, in bytes.
const LABEL_BYTES_MAX: usize = 63;
/// The maximum length of notes, in bytes.
const NOTES_BYTES_MAX: usize = 4_096;

/// An operator's labels of a worker: names with values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Returns whether there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether there is a label with this name and value.
    #[must_use]
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.0.get(name).is_some_and(|own| own == value)
    }
}

impl From<Labels> for BTreeMap<String, String> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

impl TryFrom<BTreeMap<String, String>> for Labels {
    type Error = String;

    fn try_from(given: BTreeMap<String, String>) -> Result<Self, String> {
        if given.len() > LABELS_MAX {
            return Err(format!("{} labels are too many: at most {LABELS_MAX}", given.len()));
        }
        for (name, value) in &given {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
            let right = (1..=LABEL_BYTES_MAX).contains(&name.len()) && name.bytes().all(letter);
            if !right {
                let shown: String = name.chars().take(LABEL_BYTES_MAX).collect();
                return Err(format!(
                    "{shown:?} is not a label's name: use 1 to {LABEL_BYTES_MAX} letters, digits, `-`, `_`, `.` and `/`"
                ));
            }
            if value.len() > LABEL_BYTES_MAX || value.contains(char::is_control) {
                return Err(format!(
                    "the value of the label {name:?} must be text of at most {LABEL_BYTES_MAX} bytes without control characters"
                ));
            }
        }
        Ok(Self(given))
    }
}

/// An operator's notes about a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Notes(String);

impl Notes {
    /// Returns whether the notes are empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Notes> for String {
    fn from(notes: Notes) -> Self {
        notes.0
    }
}

impl TryFrom<String> for Notes {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        if given.len() > NOTES_BYTES_MAX {
            return Err(format!("the notes have {} bytes: at most {NOTES_BYTES_MAX}", given.len()));
        }
        if given.contains(|letter: char| letter.is_control() && !matches!(letter, '\n' | '\t')) {
            return Err("the notes must have no control characters but line breaks and tabs".to_owned());
        }
        Ok(Self(given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Result<Labels, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>()
            .try_into()
    }

    #[test]
    fn labels_are_bounded_in_number_length_and_letters() {
        let long = "a".repeat(LABEL_BYTES_MAX + 1);
        let at_most = &long[1..];
        assert!(labels(&[("example.org/gpu", "A 100"), ("empty", ""), (at_most, at_most)]).is_ok());
        for (name, value, says) in [
            ("", "", "is not a label's name"),
            ("a=b", "", "is not a label's name"),
            ("a b", "", "is not a label's name"),
            ("é", "", "is not a label's name"),
            (&long, "", "is not a label's name"),
            ("a", &long, "the label \"a\" must be text of at most 63 bytes"),
            ("a", "b\u{7}", "without control characters"),
        ] {
            let refused = labels(&[(name, value)]).unwrap_err();
            assert!(refused.contains(says), "{refused}");
        }
        let many: Vec<_> = (0..=LABELS_MAX).map(|number| number.to_string()).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert!(labels(&many[1..]).is_ok());
        assert!(labels(&many).unwrap_err().contains("33 labels are too many"));
    }

    #[test]
    fn notes_may_have_lines_and_are_bounded() {
        assert!(Notes::try_from("rack 7\n\tthe left one".to_owned()).is_ok());
        assert!(Notes::try_from("a".repeat(NOTES_BYTES_MAX)).is_ok());
        assert!(Notes::try_from("a".repeat(NOTES_BYTES_MAX + 1)).unwrap_err().contains("at most 4096"));
        assert!(Notes::try_from("a\u{1b}[31m".to_owned()).unwrap_err().contains("control characters"));
    }
}
