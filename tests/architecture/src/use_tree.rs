//! `use` declarations, from tokens to one import per name.

use proc_macro2::{Delimiter, TokenTree};

use crate::source::is_path_separator;

/// One imported name, or all names of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The path as written, without `{}`, `*` and `as`.
    pub path: Vec<String>,
    /// The name that it has in the module; `None` for `_` and `*`.
    pub name: Option<String>,
    /// Whether it ends in `*`.
    pub is_glob: bool,
    /// The line of its last token.
    pub line: usize,
}

/// Returns the imports of a `use` declaration. `tokens` stand between `use` and the semicolon.
pub(crate) fn imports(tokens: &[TokenTree]) -> Vec<Import> {
    let mut found = Vec::new();
    tree(tokens, &[], &mut found);
    found
}

fn tree(tokens: &[TokenTree], prefix: &[String], found: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Ident(word) if word == "as" => {
                let name = tokens.get(at + 1).map(ToString::to_string);
                found.push(import(path, name.filter(|name| name != "_"), token));
                return;
            }
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Punct(star) if star.as_char() == '*' => {
                found.push(Import { path, name: None, is_glob: true, line: line(token) });
                return;
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                inner.split(is_comma).for_each(|each| tree(each, &path, found));
                return;
            }
            _ if is_path_separator(tokens, at) => at += 1,
            _ => {}
        }
        at += 1;
    }
    if let Some(last) = tokens.last() {
        let name = path.last().cloned();
        found.push(import(path, name, last));
    }
}

/// `use a::b::{self}` imports `a::b` under the name `b`.
fn import(mut path: Vec<String>, mut name: Option<String>, token: &TokenTree) -> Import {
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
        if name.as_deref() == Some("self") {
            name = path.last().cloned();
        }
    }
    Import { path, name, is_glob: false, line: line(token) }
}

fn is_comma(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',')
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let tokens: Vec<_> = crate::source::parse(text).unwrap().into_iter().collect();
        let show = |import: &Import| {
            let name = if import.is_glob { "*" } else { import.name.as_deref().unwrap_or("_") };
            format!("{} as {name}", import.path.join("::"))
        };
        imports(&tokens).iter().map(show).collect()
    }

    #[test]
    fn each_name_is_an_import() {
        assert_eq!(
            read("crate::{a::{self, B, c::*}, d as e, f::G as _}"),
            ["crate::a as a", "crate::a::B as B", "crate::a::c as *", "crate::d as e", "crate::f::G as _"]
        );
        assert_eq!(read("super::x"), ["super::x as x"]);
        assert_eq!(read("slotway_store::{self as store}"), ["slotway_store as store"]);
    }
}
