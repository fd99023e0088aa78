//! Source files as tokens.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

use crate::ArchitectureError;

/// Reads a source file as tokens. Comments are not among them; doc comments are attributes.
pub(crate) fn tokens(path: &Path) -> Result<TokenStream, ArchitectureError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ArchitectureError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|reason| ArchitectureError::Parse { path: path.to_owned(), reason })
}

/// Returns the tokens of `text`.
pub(crate) fn parse(text: &str) -> Result<TokenStream, String> {
    text.parse().map_err(|error: proc_macro2::LexError| error.to_string())
}

/// Returns all Rust files below `folder`, without those of hidden folders and of build directories.
///
/// # Errors
///
/// Fails if a folder cannot be read.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, ArchitectureError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |source| ArchitectureError::Read { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let name = entry.file_name();
            let is_left_out = name == "target" || name.as_encoded_bytes().starts_with(b".");
            if entry.file_type().map_err(failed)?.is_dir() {
                if !is_left_out {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Returns whether `::` stands at `at` and the place after it.
pub(crate) fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |at: usize, joint: bool| {
        matches!(tokens.get(at), Some(TokenTree::Punct(punct))
            if punct.as_char() == ':' && (!joint || punct.spacing() == Spacing::Joint))
    };
    is_colon(at, true) && is_colon(at + 1, false)
}

/// Returns the content of the attribute `#[...]` that stands at `at`.
pub(crate) fn attribute(tokens: &[TokenTree], at: usize) -> Option<Group> {
    match (tokens.get(at), tokens.get(at + 1)) {
        (Some(TokenTree::Punct(hash)), Some(TokenTree::Group(group)))
            if hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
        {
            Some(group.clone())
        }
        _ => None,
    }
}

/// Returns whether an attribute leaves an item out of the product: `cfg(test)`, `cfg(all(test, ...))`, `test`, `tokio::test`.
pub(crate) fn is_for_tests(attribute: &Group) -> bool {
    let tokens: Vec<_> = attribute.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(cfg), TokenTree::Group(condition)] if cfg == "cfg" => {
            requires_test(&condition.stream())
        }
        _ => is_test_function(attribute),
    }
}

fn requires_test(condition: &TokenStream) -> bool {
    let tokens: Vec<_> = condition.clone().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(test)] => test == "test",
        [TokenTree::Ident(all), TokenTree::Group(conditions)] if all == "all" => {
            let conditions: Vec<_> = conditions.stream().into_iter().collect();
            conditions
                .split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','))
                .any(|each| requires_test(&each.iter().cloned().collect()))
        }
        _ => false,
    }
}

/// Returns whether an attribute makes a function a test: its path ends in `test`, such as `tokio::test`.
pub(crate) fn is_test_function(attribute: &Group) -> bool {
    let path: Vec<_> = attribute
        .stream()
        .into_iter()
        .take_while(|token| !matches!(token, TokenTree::Group(_)))
        .filter_map(|token| match token {
            TokenTree::Ident(word) => Some(word.to_string()),
            _ => None,
        })
        .collect();
    path.last().is_some_and(|last| last == "test")
}

/// Returns the value of `#[path = "value"]`.
pub(crate) fn path_attribute(attribute: &Group) -> Option<String> {
    let tokens: Vec<_> = attribute.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(path), TokenTree::Punct(_), TokenTree::Literal(value)] if path == "path" => {
            Some(value.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    }
}

/// Returns the name of the module that a file is: of `a/mod.rs` that of the folder.
pub(crate) fn module_name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default();
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
    if stem == "mod" { folder } else { stem }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_attribute(text: &str) -> Group {
        let tokens: Vec<_> = parse(text).unwrap().into_iter().collect();
        attribute(&tokens, 0).unwrap()
    }

    #[test]
    fn attributes_of_tests_are_known() {
        for test in
            ["#[cfg(test)]", "#[cfg(all(unix, test))]", "#[test]", "#[tokio::test(start_paused = true)]"]
        {
            assert!(is_for_tests(&first_attribute(test)), "{test}");
        }
        for product in
            ["#[cfg(not(test))]", "#[cfg(any(test, unix))]", "#[derive(Debug)]", "#[doc = \"test\"]"]
        {
            assert!(!is_for_tests(&first_attribute(product)), "{product}");
        }
    }

    #[test]
    fn the_value_of_a_path_attribute_is_read() {
        assert_eq!(
            path_attribute(&first_attribute("#[path = \"a_tests.rs\"]")).as_deref(),
            Some("a_tests.rs")
        );
        assert_eq!(path_attribute(&first_attribute("#[doc = \"a_tests.rs\"]")), None);
    }
}
