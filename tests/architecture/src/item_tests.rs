use super::*;

fn read(text: &str) -> Items {
    items(source::parse(text).unwrap())
}

fn paths(text: &str) -> Vec<String> {
    read(text).paths.iter().map(|used| used.path.join("::")).collect()
}

#[test]
fn types_and_their_visibility_are_read() {
    let items = read(
        "pub struct A<T>(T); pub(crate) enum B { C(D) } trait E { type F; } pub type G = A<u8>; \
         impl A<u8> { pub const fn h() {} } pub const I: u8 = { 1 }; pub unsafe extern \"C\" fn j() {} pub union K { l: u8 }",
    );
    let types: Vec<_> = items.types.iter().map(|each| (each.name.as_str(), each.is_public)).collect();
    assert_eq!(types, [("A", true), ("B", false), ("E", false), ("G", true), ("K", true)]);
    assert_eq!(items.names, ["I", "j"]);
}

#[test]
fn paths_of_product_code_are_read() {
    assert_eq!(
        paths(
            "#[derive(serde::Serialize)] struct A { #[cfg(test)] b: crate::b::B, c: crate::c::C } \
             #[cfg(test)] fn d() { crate::d::e() } \
             pub(in crate::x) fn f() -> super::G { ::std::h(); #[cfg(test)] crate::i(); i.j::<K>(crate::l::M { n: crate::N }) }"
        ),
        ["serde::Serialize", "crate::c::C", "super::G", "crate::l::M", "crate::N"]
    );
}

#[test]
fn modules_and_imports_are_read() {
    let items = read(
        "pub mod a; #[cfg(test)] #[path = \"b_tests.rs\"] mod tests; mod c { struct D; } #[cfg(test)] use crate::x; \
         use crate::{e::F, g}; fn h() { use crate::i::J; J::k(); }",
    );
    let modules: Vec<_> = items
        .modules
        .iter()
        .map(|module| (module.name.as_str(), module.is_test, module.path.as_deref(), module.inline.is_some()))
        .collect();
    assert_eq!(
        modules,
        [("a", false, None, false), ("tests", true, Some("b_tests.rs"), false), ("c", false, None, true)]
    );
    let imports: Vec<_> = items.imports.iter().map(|import| import.path.join("::")).collect();
    assert_eq!(imports, ["crate::e::F", "crate::g", "crate::i::J"]);
}

#[test]
fn words_have_their_lines() {
    let items =
        read("use axum::http;\n/// axum\nfn a() {\n  let _ = \"axum\"; // axum\n  http::StatusCode::OK\n}");
    let lines = |word: &str| -> Vec<_> {
        items.words.iter().filter(|used| used.word == word).map(|used| used.line).collect()
    };
    assert_eq!(lines("axum"), [1]);
    assert_eq!(lines("StatusCode"), [5]);
}

#[test]
fn functions_that_are_tests_are_counted() {
    assert_eq!(read("#[test]\nfn a() {}\nfn b() {}\n#[tokio::test]\nasync fn c() {}").tests, [2, 5]);
}
