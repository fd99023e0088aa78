//! Which crate may depend on which.

use std::fmt;

use crate::{Package, Workspace};

/// One row of the table of allowed dependencies: a crate of the workspace, and the crates of the workspace that it may name.
#[derive(Debug, Clone, Copy)]
pub struct AllowedDependencies {
    /// The package.
    pub package: &'static str,
    /// What its product code and its build script may depend on.
    pub product: AllowedSet,
    /// What its tests may depend on besides that.
    pub tests: &'static [&'static str],
}

/// Crates of the workspace that a package may depend on.
#[derive(Debug, Clone, Copy)]
pub enum AllowedSet {
    /// The named ones.
    Only(&'static [&'static str]),
    /// All, except the named ones.
    AllBut(&'static [&'static str]),
}

/// One row of the table of crates from outside that only some crates of the workspace may use.
#[derive(Debug, Clone, Copy)]
pub struct Confined {
    /// The package from outside, such as `axum`.
    pub package: &'static str,
    /// The packages of the workspace that may depend on it in their product code.
    pub to: &'static [&'static str],
    /// Why no other one may.
    pub reason: &'static str,
}

/// A breach of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DependencyBreach {
    /// A package without a row in the table.
    UnknownPackage {
        /// The package.
        package: String,
    },
    /// A row without a package.
    MissingPackage {
        /// The package.
        package: String,
    },
    /// A dependency that the row of the package does not have.
    Forbidden {
        /// The package that depends.
        package: String,
        /// What it depends on.
        on: String,
        /// Whether only its tests do.
        is_dev: bool,
    },
    /// A crate from outside that is confined to others.
    Unconfined {
        /// The package that depends.
        package: String,
        /// What it depends on.
        on: String,
        /// The row's reason.
        reason: &'static str,
    },
}

impl fmt::Display for DependencyBreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownPackage { package } => {
                write!(f, "{package} has no row in the table: add one with what it may depend on")
            }
            Self::MissingPackage { package } => write!(f, "{package} has a row in the table, but no package"),
            Self::Forbidden { package, on, is_dev: false } => write!(f, "{package} must not depend on {on}"),
            Self::Forbidden { package, on, is_dev: true } => {
                write!(f, "the tests of {package} must not depend on {on}")
            }
            Self::Unconfined { package, on, reason } => {
                write!(f, "{package} must not depend on {on}: {reason}")
            }
        }
    }
}

/// Returns what in the workspace is not in the tables.
pub fn breaches(
    workspace: &Workspace,
    allowed: &[AllowedDependencies],
    confined: &[Confined],
) -> Vec<DependencyBreach> {
    let mut breaches = Vec::new();
    for row in allowed {
        if workspace.package(row.package).is_none() {
            breaches.push(DependencyBreach::MissingPackage { package: row.package.to_owned() });
        }
    }
    for package in &workspace.packages {
        match allowed.iter().find(|row| row.package == package.name) {
            Some(row) => forbidden(workspace, package, row, &mut breaches),
            None => breaches.push(DependencyBreach::UnknownPackage { package: package.name.clone() }),
        }
        unconfined(package, confined, &mut breaches);
    }
    breaches
}

fn forbidden(
    workspace: &Workspace,
    package: &Package,
    row: &AllowedDependencies,
    breaches: &mut Vec<DependencyBreach>,
) {
    for dependency in &package.dependencies {
        let on = dependency.name.as_str();
        let is_dev = dependency.kind.as_deref() == Some("dev");
        let is_allowed = match row.product {
            AllowedSet::Only(names) => names.contains(&on),
            AllowedSet::AllBut(names) => !names.contains(&on),
        } || (is_dev && row.tests.contains(&on));
        if workspace.package(on).is_some() && !is_allowed {
            breaches.push(DependencyBreach::Forbidden {
                package: package.name.clone(),
                on: on.to_owned(),
                is_dev,
            });
        }
    }
}

fn unconfined(package: &Package, confined: &[Confined], breaches: &mut Vec<DependencyBreach>) {
    for dependency in
        package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"))
    {
        if let Some(row) = confined.iter().find(|row| row.package == dependency.name)
            && !row.to.contains(&package.name.as_str())
        {
            breaches.push(DependencyBreach::Unconfined {
                package: package.name.clone(),
                on: dependency.name.clone(),
                reason: row.reason,
            });
        }
    }
}

#[cfg(test)]
#[path = "dependencies_tests.rs"]
mod tests;
