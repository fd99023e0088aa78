//! `#[path]` attributes: a file is compiled as a part of one module tree, under its own name.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};

use crate::{ArchitectureError, source};

/// A `#[path]` attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathAttribute {
    /// The file in which it stands.
    pub file: PathBuf,
    /// Its line.
    pub line: usize,
    /// Its value.
    pub value: String,
}

impl fmt::Display for PathAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: #[path = \"{}\"]", self.file.display(), self.line, self.value)
    }
}

impl PathAttribute {
    /// Returns whether it names the file of unit tests beside the file that it stands in: `NAME_tests.rs` or
    /// `NAME_tests/mod.rs` for `NAME.rs` and `NAME/mod.rs`.
    pub fn is_unit_tests(&self) -> bool {
        let name = source::module_name(&self.file);
        self.value == format!("{name}_tests.rs") || self.value == format!("{name}_tests/mod.rs")
    }
}

/// Returns all `#[path]` attributes in the Rust files below `folder`.
///
/// # Errors
///
/// Fails if a file cannot be read or is not Rust.
pub fn below(folder: &Path) -> Result<Vec<PathAttribute>, ArchitectureError> {
    let mut found = Vec::new();
    for file in source::files(folder)? {
        collect(source::tokens(&file)?, &file, &mut found);
    }
    Ok(found)
}

fn collect(stream: TokenStream, file: &Path, found: &mut Vec<PathAttribute>) {
    let tokens: Vec<_> = stream.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        if let Some(value) =
            source::attribute(&tokens, at).and_then(|attribute| source::path_attribute(&attribute))
        {
            found.push(PathAttribute { file: file.to_owned(), line: token.span().start().line, value });
        } else if let TokenTree::Group(group) = token {
            collect(group.stream(), file, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_at_any_depth() {
        let mut found = Vec::new();
        let text = "#[path = \"a_tests.rs\"]\nmod tests;\nmod b {\n#[path = \"../c.rs\"]\nmod c; }";
        collect(source::parse(text).unwrap(), Path::new("src/a.rs"), &mut found);
        let shown: Vec<_> = found.iter().map(|each| (each.to_string(), each.is_unit_tests())).collect();
        assert_eq!(
            shown,
            [
                ("src/a.rs:1: #[path = \"a_tests.rs\"]".to_owned(), true),
                ("src/a.rs:4: #[path = \"../c.rs\"]".to_owned(), false)
            ]
        );
    }
}
