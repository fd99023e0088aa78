use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;

use crate::{
    ArchitectureError, Import, NamedType, PathUse, WordUse,
    item::{ModuleDeclaration, items},
    source,
};

/// The modules of one crate root. The first is the root itself.
#[derive(Debug, Default)]
pub struct ModuleTree {
    /// All modules, a parent before its children.
    pub modules: Vec<Module>,
}

/// One module: a file, or the braces of an inline one.
#[derive(Debug)]
pub struct Module {
    /// Its names from the root on; empty for the root.
    pub path: Vec<String>,
    /// The place of its parent in the tree.
    pub parent: Option<usize>,
    /// The file in which its items stand.
    pub file: PathBuf,
    /// The file in which it is declared, and the line.
    pub declared: Option<(PathBuf, usize)>,
    /// Whether it has a file of its own.
    pub has_file: bool,
    /// Whether it, or one that it is in, is compiled for tests alone.
    pub is_test: bool,
    /// The types that it declares.
    pub types: Vec<NamedType>,
    /// The names of its other items.
    pub names: Vec<String>,
    /// What its `use` declarations name.
    pub imports: Vec<Import>,
    /// The paths in its code.
    pub paths: Vec<PathUse>,
    /// The identifiers in its code.
    pub words: Vec<WordUse>,
    /// Lines of the functions that are tests.
    pub tests: Vec<usize>,
}

impl Module {
    /// Returns its path as it is written inside its crate, such as `crate::a::b`.
    pub fn name(&self) -> String {
        ["crate"].into_iter().chain(self.path.iter().map(String::as_str)).collect::<Vec<_>>().join("::")
    }
}

/// A module that waits to be read.
struct Pending {
    path: Vec<String>,
    parent: Option<usize>,
    file: PathBuf,
    declared: Option<(PathBuf, usize)>,
    has_file: bool,
    is_test: bool,
    tokens: TokenStream,
    /// The folder in which files of its children stand.
    folder: PathBuf,
}

impl ModuleTree {
    /// Reads the crate whose root is this file.
    ///
    /// # Errors
    ///
    /// Fails if a file is missing or is not Rust.
    pub fn read(root: &Path) -> Result<Self, ArchitectureError> {
        Self::from_root(Pending {
            path: Vec::new(),
            parent: None,
            file: root.to_owned(),
            declared: None,
            has_file: true,
            is_test: false,
            tokens: source::tokens(root)?,
            folder: root.parent().unwrap_or(root).to_owned(),
        })
    }

    /// Reads a crate from one text, with all modules inline.
    ///
    /// # Errors
    ///
    /// Fails if the text is not Rust.
    pub fn parse(text: &str) -> Result<Self, ArchitectureError> {
        let file = PathBuf::from("lib.rs");
        let tokens =
            source::parse(text).map_err(|reason| ArchitectureError::Parse { path: file.clone(), reason })?;
        Self::from_root(Pending {
            path: Vec::new(),
            parent: None,
            folder: PathBuf::new(),
            file,
            declared: None,
            has_file: true,
            is_test: false,
            tokens,
        })
    }

    fn from_root(root: Pending) -> Result<Self, ArchitectureError> {
        let mut tree = Self::default();
        let mut pending = vec![root];
        while let Some(next) = pending.pop() {
            let items = items(next.tokens);
            let this = tree.modules.len();
            for declaration in items.modules {
                pending.push(child(declaration, this, &next.path, &next.file, &next.folder, next.is_test)?);
            }
            tree.modules.push(Module {
                path: next.path,
                parent: next.parent,
                file: next.file,
                declared: next.declared,
                has_file: next.has_file,
                is_test: next.is_test,
                types: items.types,
                names: items.names,
                imports: items.imports,
                paths: items.paths,
                words: items.words,
                tests: items.tests,
            });
        }
        Ok(tree)
    }

    /// Returns the modules that are part of the product.
    pub fn product(&self) -> impl Iterator<Item = &Module> {
        self.modules.iter().filter(|module| !module.is_test)
    }

    /// Returns the place of a module's child of that name. One of the product comes before one for tests.
    pub(crate) fn child(&self, parent: usize, name: &str) -> Option<usize> {
        let is_child = |(_, module): &(usize, &Module)| {
            module.parent == Some(parent) && module.path.last().is_some_and(|last| last == name)
        };
        self.modules
            .iter()
            .enumerate()
            .filter(is_child)
            .min_by_key(|(_, module)| module.is_test)
            .map(|(at, _)| at)
    }

    /// Returns whether one of the two modules is inside the other.
    pub(crate) fn is_line(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.modules[one].path, &self.modules[other].path);
        one.starts_with(other) || other.starts_with(one)
    }
}

fn child(
    declaration: ModuleDeclaration,
    parent: usize,
    path: &[String],
    file: &Path,
    folder: &Path,
    is_test: bool,
) -> Result<Pending, ArchitectureError> {
    let ModuleDeclaration { name, is_test: is_for_tests, path: path_attribute, inline, line } = declaration;
    let has_file = inline.is_none();
    let (child_file, tokens, child_folder) = match inline {
        Some(tokens) => (file.to_owned(), tokens, folder.join(&name)),
        None => {
            let child_file = find(&name, path_attribute.as_deref(), file, folder)?;
            let is_folder =
                path_attribute.is_some() || child_file.file_name().is_some_and(|name| name == "mod.rs");
            let own_folder = child_file.parent().unwrap_or(folder);
            let child_folder = if is_folder { own_folder.to_owned() } else { own_folder.join(&name) };
            (child_file.clone(), source::tokens(&child_file)?, child_folder)
        }
    };
    Ok(Pending {
        path: path.iter().cloned().chain([name]).collect(),
        parent: Some(parent),
        file: child_file,
        declared: Some((file.to_owned(), line)),
        has_file,
        is_test: is_test || is_for_tests,
        tokens,
        folder: child_folder,
    })
}

fn find(
    name: &str,
    attribute: Option<&str>,
    file: &Path,
    folder: &Path,
) -> Result<PathBuf, ArchitectureError> {
    let candidates = match attribute {
        Some(path) => vec![file.parent().unwrap_or(folder).join(path)],
        None => vec![folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")],
    };
    candidates
        .into_iter()
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| ArchitectureError::ModuleFile { path: file.to_owned(), name: name.to_owned() })
}
