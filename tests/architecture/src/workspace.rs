use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use crate::ArchitectureError;

/// The workspace, as `cargo metadata` describes it.
#[derive(Debug, Deserialize)]
pub struct Workspace {
    /// Packages of the workspace.
    pub packages: Vec<Package>,
    /// The folder of the workspace's `Cargo.toml`.
    pub workspace_root: PathBuf,
}

/// A package of the workspace.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// Its name, such as `slotway-store`.
    pub name: String,
    /// Its `Cargo.toml`.
    pub manifest_path: PathBuf,
    /// Its direct dependencies of every kind.
    pub dependencies: Vec<Dependency>,
    /// Its libraries, programs, tests and build scripts.
    pub targets: Vec<Target>,
}

/// A direct dependency of a package.
#[derive(Debug, Clone, Deserialize)]
pub struct Dependency {
    /// Name of the package that it names.
    pub name: String,
    /// `dev`, `build`, or `None` for a normal one.
    pub kind: Option<String>,
}

/// A compilation target of a package.
#[derive(Debug, Clone, Deserialize)]
pub struct Target {
    /// `lib`, `cdylib`, `bin`, `test`, `bench`, `custom-build`.
    pub kind: Vec<String>,
    /// The file of its crate root.
    pub src_path: PathBuf,
}

impl Workspace {
    /// Reads the workspace that `manifest` is a part of.
    ///
    /// # Errors
    ///
    /// Fails if cargo does not run or refuses the manifest.
    pub fn read(manifest: &Path) -> Result<Self, ArchitectureError> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
            .arg(manifest)
            .output()
            .map_err(|error| ArchitectureError::Metadata(error.to_string()))?;
        if !output.status.success() {
            return Err(ArchitectureError::Metadata(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Returns the package of that name.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Returns `path` relative to the root of the workspace, for messages.
    pub fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.workspace_root).unwrap_or(path)
    }
}

impl Package {
    /// Returns the folder of the package.
    pub fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// Returns the crate root of its library.
    pub fn library_root(&self) -> Option<&Path> {
        self.roots(&["lib", "rlib", "cdylib", "proc-macro"]).next()
    }

    /// Returns the crate roots of its programs; not of its tests, benchmarks and build scripts.
    pub fn program_roots(&self) -> impl Iterator<Item = &Path> {
        self.roots(&["bin"])
    }

    fn roots(&self, kinds: &'static [&str]) -> impl Iterator<Item = &Path> {
        let is_wanted = |target: &&Target| target.kind.iter().any(|kind| kinds.contains(&kind.as_str()));
        self.targets.iter().filter(is_wanted).map(|target| target.src_path.as_path())
    }
}
