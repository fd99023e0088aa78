//! Identifiers that only some crates may use.

use std::{fmt, path::PathBuf};

use crate::ModuleTree;

/// A use of a confined identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfinedWord {
    /// The identifier.
    pub word: String,
    /// The file.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
}

impl fmt::Display for ConfinedWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: `{}`", self.file.display(), self.line, self.word)
    }
}

/// Returns where product code of a crate has one of the identifiers; one place per line.
pub fn uses(tree: &ModuleTree, words: &[&str]) -> Vec<ConfinedWord> {
    let mut found = Vec::new();
    for module in tree.product() {
        for used in module.words.iter().filter(|used| words.contains(&used.word.as_str())) {
            let place = ConfinedWord { word: used.word.clone(), file: module.file.clone(), line: used.line };
            if !found.contains(&place) {
                found.push(place);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_code_is_searched() {
        let tree = ModuleTree::parse(
            "//! axum\nuse axum::http::StatusCode;\nfn a() -> StatusCode { StatusCode::OK }\n#[cfg(test)]\nmod tests { use axum; }",
        )
        .unwrap();
        let found: Vec<_> = uses(&tree, &["axum", "StatusCode"]).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["lib.rs:2: `axum`", "lib.rs:2: `StatusCode`", "lib.rs:3: `StatusCode`"]);
    }
}
