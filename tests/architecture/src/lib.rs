//! Reads the workspace as cargo and as its source text present it, and finds breaches of the rules on its structure.
//!
//! * [`Workspace`]: the packages, their dependencies on each other and on other crates, from `cargo metadata`.
//! * [`ModuleTree`]: the modules of one crate root, with what each declares and which paths it uses.
//! * [`dependencies`], [`words`], [`cycles`], [`names`], [`unit_tests`], [`path_attributes`]: one rule each. What each rule allows stands in
//!   `tests/rules/`.

mod error;
mod item;
mod module_tree;
mod resolve;
mod source;
mod use_tree;
mod workspace;

pub mod cycles;
pub mod dependencies;
pub mod names;
pub mod path_attributes;
pub mod unit_tests;
pub mod words;

pub use error::ArchitectureError;
pub use item::{NamedType, PathUse, WordUse};
pub use module_tree::{Module, ModuleTree};
pub use use_tree::Import;
pub use workspace::{Dependency, Package, Target, Workspace};
