//! One name, one meaning: public types of different crates.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use crate::ModuleTree;

/// A public type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicType {
    /// The package.
    pub package: String,
    /// The file of its declaration.
    pub file: PathBuf,
    /// The line of its declaration.
    pub line: usize,
}

/// A name that public types of several crates have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedName {
    /// The name.
    pub name: String,
    /// The types.
    pub types: Vec<PublicType>,
}

impl fmt::Display for SharedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is a public type of several crates:", self.name)?;
        for PublicType { package, file, line } in &self.types {
            write!(f, "\n    {package}: {}:{line}", file.display())?;
        }
        Ok(())
    }
}

/// Returns the names that public types of different packages share. `libraries` are packages with the modules of their libraries.
pub fn shared<'a>(libraries: impl IntoIterator<Item = (&'a str, &'a ModuleTree)>) -> Vec<SharedName> {
    let mut types: BTreeMap<&str, Vec<PublicType>> = BTreeMap::new();
    for (package, tree) in libraries {
        for module in tree.product() {
            for declared in module.types.iter().filter(|declared| declared.is_public) {
                types.entry(&declared.name).or_default().push(PublicType {
                    package: package.to_owned(),
                    file: module.file.clone(),
                    line: declared.line,
                });
            }
        }
    }
    let is_shared = |types: &Vec<PublicType>| types.iter().any(|each| each.package != types[0].package);
    types
        .into_iter()
        .filter(|(_, types)| is_shared(types))
        .map(|(name, types)| SharedName { name: name.to_owned(), types })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_two_crates_is_found() {
        let pools =
            ModuleTree::parse("mod a { pub struct Limits; } pub enum State {} pub(crate) struct Row;")
                .unwrap();
        let servers =
            ModuleTree::parse("pub type Limits = u8; struct State; #[cfg(test)] pub struct Row;").unwrap();
        let shared = shared([("pools", &pools), ("servers", &servers)]);
        assert_eq!(shared.len(), 1);
        assert_eq!(
            shared[0].to_string(),
            "`Limits` is a public type of several crates:\n    pools: lib.rs:1\n    servers: lib.rs:1"
        );
    }

    #[test]
    fn names_of_one_crate_are_its_own_matter() {
        let pools =
            ModuleTree::parse("pub mod a { pub struct Limits; } pub mod b { pub struct Limits; }").unwrap();
        assert_eq!(shared([("pools", &pools)]), []);
    }
}
