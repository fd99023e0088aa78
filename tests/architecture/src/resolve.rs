//! From a path to the module that declares what it names.

use crate::ModuleTree;

/// Longest chain of re-exports that is followed.
const REEXPORTS_MAX: usize = 16;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// A module.
    Module(usize),
    /// An item of that module.
    ItemOf(usize),
}

impl Named {
    /// Returns the module that a user of the path depends on.
    pub(crate) fn module(self) -> usize {
        match self {
            Self::Module(module) | Self::ItemOf(module) => module,
        }
    }
}

/// Resolves a path that is written in the module `from`. Returns `None` where it leads out of the crate, or is local.
pub(crate) fn resolve(tree: &ModuleTree, from: usize, path: &[String]) -> Option<Named> {
    resolve_within(tree, from, path, REEXPORTS_MAX)
}

fn resolve_within(tree: &ModuleTree, from: usize, path: &[String], left: usize) -> Option<Named> {
    let left = left.checked_sub(1)?;
    let mut at = from;
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => {
            at = 0;
            rest = &path[1..];
        }
        "self" => rest = &path[1..],
        "super" => {
            while let Some((first, others)) = rest.split_first()
                && first == "super"
            {
                at = tree.modules[at].parent?;
                rest = others;
            }
        }
        first => {
            let is_known = tree.child(from, first).is_some()
                || tree.modules[from].imports.iter().any(|import| import.name.as_deref() == Some(first));
            if !is_known {
                return None;
            }
        }
    }
    walk(tree, at, rest, left)
}

fn walk(tree: &ModuleTree, mut at: usize, path: &[String], left: usize) -> Option<Named> {
    for name in path {
        if let Some(child) = tree.child(at, name) {
            at = child;
            continue;
        }
        match imported(tree, at, name, left) {
            Imported::Inside(Named::Module(module)) => at = module,
            Imported::Inside(item) => return Some(item),
            Imported::Outside => return None,
            Imported::No => return Some(Named::ItemOf(at)),
        }
    }
    Some(Named::Module(at))
}

/// Where a name of a module comes from.
enum Imported {
    Inside(Named),
    Outside,
    No,
}

fn imported(tree: &ModuleTree, at: usize, name: &str, left: usize) -> Imported {
    let module = &tree.modules[at];
    let is_own =
        module.types.iter().any(|each| each.name == name) || module.names.iter().any(|each| each == name);
    if is_own {
        return Imported::No;
    }
    if let Some(import) = module.imports.iter().find(|import| import.name.as_deref() == Some(name)) {
        return resolve_within(tree, at, &import.path, left).map_or(Imported::Outside, Imported::Inside);
    }
    for glob in module.imports.iter().filter(|import| import.is_glob) {
        if let Some(Named::Module(source)) = resolve_within(tree, at, &glob.path, left)
            && declares(tree, source, name)
        {
            return Imported::Inside(Named::ItemOf(source));
        }
    }
    Imported::No
}

fn declares(tree: &ModuleTree, module: usize, name: &str) -> bool {
    let module = &tree.modules[module];
    module.types.iter().any(|each| each.name == name)
        || module.names.iter().any(|each| each == name)
        || module.imports.iter().any(|import| import.name.as_deref() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str, from: &str, path: &str) -> Option<String> {
        let tree = ModuleTree::parse(text).unwrap();
        let from = tree.modules.iter().position(|module| module.name() == from).unwrap();
        let path: Vec<_> = path.split("::").map(str::to_owned).collect();
        resolve(&tree, from, &path).map(|named| tree.modules[named.module()].name())
    }

    const TEXT: &str = "
        pub use slotway_store as store;
        pub use a::Inner;
        mod a { mod inner { pub struct Inner; pub struct Globbed; } pub use inner::Inner; pub use inner::*; pub struct Own; }
        mod b { use crate::a; use super::Inner as Renamed; pub mod c {} }
    ";

    #[test]
    fn reexports_are_followed_to_the_declaration() {
        for (path, module) in [
            ("crate::Inner", Some("crate::a::inner")),
            ("crate::a::Inner", Some("crate::a::inner")),
            ("crate::a::Globbed", Some("crate::a::inner")),
            ("crate::a::Own", Some("crate::a")),
            ("super::a::Own", Some("crate::a")),
            ("a::Own::new", Some("crate::a")),
            ("Renamed::new", Some("crate::a::inner")),
            ("c::X", Some("crate::b::c")),
            ("self::c", Some("crate::b::c")),
            ("crate::store::Store", None),
            ("std::io::Error", None),
            ("Local::new", None),
        ] {
            assert_eq!(resolved(TEXT, "crate::b", path).as_deref(), module, "{path}");
        }
    }

    #[test]
    fn a_name_that_only_names_itself_is_outside() {
        assert_eq!(resolved("mod a { use b::b; }", "crate::a", "b::c"), None);
    }
}
