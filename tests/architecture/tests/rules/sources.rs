//! The workspace that the rules are about.

use std::{fmt::Display, path::Path, sync::LazyLock};

use slotway_test_architecture::{ModuleTree, Package, Workspace};

/// A package with the modules of its libraries and programs.
pub(crate) struct Sources {
    pub(crate) package: Package,
    pub(crate) library: Option<ModuleTree>,
    pub(crate) programs: Vec<ModuleTree>,
}

impl Sources {
    /// Returns its library and its programs.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &ModuleTree> {
        self.library.iter().chain(&self.programs)
    }
}

/// Reads this workspace.
pub(crate) fn workspace() -> Workspace {
    Workspace::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("the workspace")
}

/// All packages of this workspace with their sources; read once.
pub(crate) fn sources() -> &'static [Sources] {
    static SOURCES: LazyLock<Vec<Sources>> = LazyLock::new(|| {
        let read = |root: &Path| ModuleTree::read(root).expect("a crate");
        let sources = |package: Package| Sources {
            library: package.library_root().map(read),
            programs: package.program_roots().map(read).collect(),
            package,
        };
        workspace().packages.into_iter().map(sources).collect()
    });
    &SOURCES
}

/// Fails with all breaches, unless there are none. Files appear relative to the root of the workspace.
pub(crate) fn assert_none(rule: &str, breaches: &[impl Display]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace");
    let root = format!("{}/", root.display());
    let shown: Vec<_> = breaches.iter().map(|breach| format!("  {breach}\n").replace(&root, "")).collect();
    assert!(breaches.is_empty(), "{rule}\n{}", shown.concat());
}
