//! The items of a module, from tokens.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::{Import, source, use_tree};

/// A struct, enum, union, trait or type alias that is declared in a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedType {
    /// Its name.
    pub name: String,
    /// Whether it is `pub` without a restriction.
    pub is_public: bool,
    /// Its line.
    pub line: usize,
}

/// A path in an expression, a type or an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathUse {
    /// Its segments.
    pub path: Vec<String>,
    /// Its line.
    pub line: usize,
}

/// An identifier, wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordUse {
    /// The identifier.
    pub word: String,
    /// Its line.
    pub line: usize,
}

/// A `mod` declaration.
#[derive(Debug, Clone)]
pub(crate) struct ModuleDeclaration {
    pub(crate) name: String,
    pub(crate) is_test: bool,
    /// The value of its `#[path]`.
    pub(crate) path: Option<String>,
    /// What is between its braces.
    pub(crate) inline: Option<TokenStream>,
    pub(crate) line: usize,
}

/// What one module declares and uses. Of items that are compiled for tests alone it has only the modules.
#[derive(Debug, Default)]
pub(crate) struct Items {
    pub(crate) modules: Vec<ModuleDeclaration>,
    pub(crate) types: Vec<NamedType>,
    /// Names of all other items.
    pub(crate) names: Vec<String>,
    pub(crate) imports: Vec<Import>,
    pub(crate) paths: Vec<PathUse>,
    pub(crate) words: Vec<WordUse>,
    /// Lines of functions that are tests.
    pub(crate) tests: Vec<usize>,
}

/// Reads the items of a module.
pub(crate) fn items(stream: TokenStream) -> Items {
    let tokens: Vec<_> = stream.into_iter().collect();
    let mut items = Items::default();
    let mut at = 0;
    while at < tokens.len() {
        // `#![...]` and `//!` are about the module.
        let is_inner_attribute = is_punct(tokens.get(at), '#') && is_punct(tokens.get(at + 1), '!');
        at = if is_inner_attribute { at + 3 } else { item(&tokens, at, &mut items) };
    }
    items
}

/// The attributes in front of an item.
#[derive(Default)]
struct Attributes {
    is_for_tests: bool,
    is_test_function: bool,
    path: Option<String>,
}

/// Reads one item, and returns where the next begins.
fn item(tokens: &[TokenTree], mut at: usize, items: &mut Items) -> usize {
    let mut attributes = Attributes::default();
    let first = at;
    while let Some(attribute) = source::attribute(tokens, at) {
        attributes.is_for_tests |= source::is_for_tests(&attribute);
        attributes.is_test_function |= source::is_test_function(&attribute);
        attributes.path = source::path_attribute(&attribute).or(attributes.path);
        at += 2;
    }
    let (is_public, keyword_at) = visibility(tokens, at);
    let keyword = keyword(tokens, keyword_at);
    let end = item_end(tokens, keyword_at, keyword.as_ref().map(|(word, _)| word.as_str()));
    let line = tokens.get(at).map_or(0, line);
    if attributes.is_test_function {
        items.tests.push(line);
    }
    match keyword.as_ref().map(|(word, at)| (word.as_str(), *at)) {
        Some(("mod", keyword_at)) => {
            let name = tokens.get(keyword_at + 1).map(ToString::to_string).unwrap_or_default();
            let inline = match tokens.get(keyword_at + 2) {
                Some(TokenTree::Group(group)) => Some(group.stream()),
                _ => None,
            };
            let Attributes { is_for_tests: is_test, path, .. } = attributes;
            items.modules.push(ModuleDeclaration { name, is_test, path, inline, line });
            return end;
        }
        _ if attributes.is_for_tests => return end,
        Some(("use", keyword_at)) => {
            items.imports.extend(use_tree::imports(&tokens[keyword_at + 1..end - 1]));
            words(&tokens[first..end], &mut items.words);
            return end;
        }
        Some((kind, keyword_at)) => {
            if let Some(TokenTree::Ident(name)) = tokens.get(keyword_at + 1) {
                let name = name.to_string();
                match kind {
                    "struct" | "enum" | "union" | "trait" | "type" => {
                        items.types.push(NamedType { name, is_public, line });
                    }
                    "impl" => {}
                    _ => items.names.push(name),
                }
            }
        }
        None => {}
    }
    code(&tokens[first..end], items);
    end
}

/// Reads `pub` and `pub(...)`: whether it is unrestricted, and where the item goes on.
fn visibility(tokens: &[TokenTree], at: usize) -> (bool, usize) {
    if !is_word(tokens.get(at), "pub") {
        return (false, at);
    }
    match tokens.get(at + 1) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => (false, at + 2),
        _ => (true, at + 1),
    }
}

const KEYWORDS: [&str; 13] = [
    "mod",
    "use",
    "struct",
    "enum",
    "union",
    "trait",
    "type",
    "fn",
    "impl",
    "const",
    "static",
    "extern",
    "macro_rules",
];

/// Returns the keyword that says what an item is, and its place.
fn keyword(tokens: &[TokenTree], mut at: usize) -> Option<(String, usize)> {
    loop {
        match tokens.get(at)? {
            TokenTree::Ident(word) => {
                let word = word.to_string();
                let goes_on = match word.as_str() {
                    "unsafe" | "async" | "default" | "auto" => true,
                    "const" => ["fn", "unsafe", "async", "extern"]
                        .iter()
                        .any(|next| is_word(tokens.get(at + 1), next)),
                    "extern" => !is_word(tokens.get(at + 1), "crate"),
                    _ => false,
                };
                if !goes_on {
                    return KEYWORDS.contains(&word.as_str()).then_some((word, at));
                }
            }
            // The ABI of `extern "C"`.
            TokenTree::Literal(_) => {}
            _ => return None,
        }
        at += 1;
    }
}

/// Returns the place behind an item: behind its semicolon, or behind its braces where it ends with those.
fn item_end(tokens: &[TokenTree], at: usize, keyword: Option<&str>) -> usize {
    let ends_with_semicolon = matches!(keyword, Some("use" | "const" | "static" | "type"));
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => return place + 1,
            // A field, a variant or an argument.
            TokenTree::Punct(punct) if punct.as_char() == ',' && keyword.is_none() => return place + 1,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !ends_with_semicolon => {
                return place + 1;
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Collects the paths, words and imports of an item, without what is compiled for tests alone.
fn code(tokens: &[TokenTree], items: &mut Items) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Some(attribute) = source::attribute(tokens, at) {
            at = if source::is_for_tests(&attribute) {
                let mut item = at;
                while source::attribute(tokens, item).is_some() {
                    item += 2;
                }
                let (_, item) = visibility(tokens, item);
                let keyword = keyword(tokens, item);
                item_end(tokens, item, keyword.as_ref().map(|(word, _)| word.as_str()))
            } else {
                code(&attribute.stream().into_iter().collect::<Vec<_>>(), items);
                at + 2
            };
            continue;
        }
        match token {
            TokenTree::Group(group) => code(&group.stream().into_iter().collect::<Vec<_>>(), items),
            TokenTree::Ident(word) if word == "use" => {
                let end = item_end(tokens, at, Some("use"));
                items.imports.extend(use_tree::imports(&tokens[at + 1..end - 1]));
                words(&tokens[at..end], &mut items.words);
                at = end;
                continue;
            }
            TokenTree::Ident(word) if word == "pub" => {
                (_, at) = visibility(tokens, at);
                continue;
            }
            TokenTree::Ident(_) => {
                at = path(tokens, at, items);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
}

/// Reads the path that begins at `at`, and returns the place behind it.
fn path(tokens: &[TokenTree], at: usize, items: &mut Items) -> usize {
    let line = line(&tokens[at]);
    // `::std::io` begins outside.
    let is_global = at >= 2 && source::is_path_separator(tokens, at - 2);
    let mut path = Vec::new();
    let mut end = at;
    while let Some(TokenTree::Ident(word)) = tokens.get(end) {
        path.push(word.to_string());
        end += 1;
        if !source::is_path_separator(tokens, end) {
            break;
        }
        end += 2;
    }
    items.words.extend(path.iter().map(|word| WordUse { word: word.clone(), line }));
    if path.len() > 1 && !is_global {
        items.paths.push(PathUse { path, line });
    }
    end
}

fn words(tokens: &[TokenTree], found: &mut Vec<WordUse>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => found.push(WordUse { word: word.to_string(), line: line(token) }),
            TokenTree::Group(group) => words(&group.stream().into_iter().collect::<Vec<_>>(), found),
            _ => {}
        }
    }
}

fn is_word(token: Option<&TokenTree>, wanted: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(word)) if word == wanted)
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

#[cfg(test)]
#[path = "item_tests.rs"]
mod tests;
