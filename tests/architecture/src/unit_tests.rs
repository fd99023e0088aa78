//! Where unit tests stand: in a module `tests` of the file that they test.
//!
//! The module is inline, or it is a file beside: `#[path = "NAME_tests.rs"] mod tests;` in `NAME.rs` or `NAME/mod.rs`, or for several files
//! `NAME_tests/mod.rs`. In `mod.rs`, `lib.rs` and `main.rs` it may also be `mod tests;`. A module for tests that has no tests itself, such as a fake,
//! may have any name.

use std::{fmt, path::PathBuf};

use crate::{Module, ModuleTree, source};

/// Tests in another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MisplacedTests {
    /// A function of the product's module is a test.
    OutsideModule {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
    },
    /// A module with tests is not named `tests`.
    ModuleName {
        /// The module.
        module: String,
        /// The file of its declaration.
        file: PathBuf,
        /// The line of its declaration.
        line: usize,
    },
    /// A module `tests` has a file of another name.
    FileName {
        /// The file.
        file: PathBuf,
        /// The file that it tests.
        tested: PathBuf,
    },
}

impl fmt::Display for MisplacedTests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideModule { file, line } => {
                write!(f, "{}:{line}: a test outside a module `tests`", file.display())
            }
            Self::ModuleName { module, file, line } => {
                write!(
                    f,
                    "{}:{line}: {module} has unit tests; their module's name is `tests`",
                    file.display()
                )
            }
            Self::FileName { file, tested } => {
                let (file, name, tested) = (file.display(), source::module_name(tested), tested.display());
                write!(f, "{file}: the file of the unit tests of {tested} is {name}_tests.rs")
            }
        }
    }
}

/// Returns the tests of a crate that stand elsewhere.
pub fn misplaced(tree: &ModuleTree) -> Vec<MisplacedTests> {
    let mut found = Vec::new();
    for module in tree.product() {
        for &line in &module.tests {
            found.push(MisplacedTests::OutsideModule { file: module.file.clone(), line });
        }
    }
    for (at, module) in tree.modules.iter().enumerate() {
        let parent = module.parent.map(|parent| &tree.modules[parent]).filter(|parent| !parent.is_test);
        if let Some(parent) = parent
            && module.is_test
            && has_tests(tree, at)
        {
            found.extend(misplaced_module(module, parent));
        }
    }
    found
}

fn misplaced_module(module: &Module, parent: &Module) -> Option<MisplacedTests> {
    if module.path.last().is_none_or(|name| name != "tests") {
        let (file, line) = module.declared.clone()?;
        return Some(MisplacedTests::ModuleName { module: module.name(), file, line });
    }
    if !module.has_file {
        return None;
    }
    let name = source::module_name(&parent.file);
    let folder = parent.file.parent()?;
    let mut allowed =
        vec![folder.join(format!("{name}_tests.rs")), folder.join(format!("{name}_tests")).join("mod.rs")];
    if matches!(name.as_str(), "lib" | "main") || parent.file.ends_with("mod.rs") {
        allowed.extend([folder.join("tests.rs"), folder.join("tests").join("mod.rs")]);
    }
    let (file, tested) = (module.file.clone(), parent.file.clone());
    (!allowed.contains(&file)).then_some(MisplacedTests::FileName { file, tested })
}

/// Whether the module or one inside it has a test.
fn has_tests(tree: &ModuleTree, at: usize) -> bool {
    let path = &tree.modules[at].path;
    let declares_tests =
        |module: &Module| !module.tests.is_empty() || module.words.iter().any(|used| used.word == "proptest");
    tree.modules.iter().any(|module| module.path.starts_with(path) && declares_tests(module))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        misplaced(&ModuleTree::parse(text).unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tests_in_their_module_are_right() {
        let text =
            "mod a { #[cfg(test)] mod tests { mod b { #[test] fn c() {} } } } #[cfg(test)] mod fake {}";
        assert_eq!(found(text), <[&str; 0]>::default());
    }

    #[test]
    fn tests_elsewhere_are_found() {
        assert_eq!(
            found(
                "mod a {\n#[test]\nfn b() {} }\n#[cfg(test)]\nmod c_tests {\n#[tokio::test]\nasync fn d() {} }"
            ),
            [
                "lib.rs:3: a test outside a module `tests`",
                "lib.rs:5: crate::c_tests has unit tests; their module's name is `tests`",
            ]
        );
    }

    #[test]
    fn the_file_is_named_for_what_it_tests() {
        let module = |name: &str, file: &str, has_file| Module {
            path: vec![name.to_owned()],
            parent: None,
            file: PathBuf::from(file),
            declared: None,
            has_file,
            is_test: true,
            types: Vec::new(),
            names: Vec::new(),
            imports: Vec::new(),
            paths: Vec::new(),
            words: Vec::new(),
            tests: Vec::new(),
        };
        let is_right = |tested: &str, tests: &str| {
            misplaced_module(&module("tests", tests, true), &module("a", tested, true)).is_none()
        };
        assert!(is_right("src/a.rs", "src/a_tests.rs"));
        assert!(is_right("src/a.rs", "src/a_tests/mod.rs"));
        assert!(is_right("src/a/mod.rs", "src/a/tests.rs"));
        assert!(is_right("src/a/mod.rs", "src/a/a_tests.rs"));
        assert!(!is_right("src/a.rs", "src/a/tests.rs"));
        assert!(!is_right("src/a.rs", "src/b_tests.rs"));
    }
}
