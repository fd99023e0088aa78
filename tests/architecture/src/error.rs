use std::{io, path::PathBuf};

/// The reasons for which the workspace cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchitectureError {
    /// `cargo metadata` does not run, or fails.
    #[error("cargo metadata: {0}")]
    Metadata(String),
    /// `cargo metadata` prints a document of another form.
    #[error("cargo metadata: {0}")]
    MetadataJson(#[from] serde_json::Error),
    /// A source file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A source file is not Rust.
    #[error("{}: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The lexer's message.
        reason: String,
    },
    /// A module is declared, but its file is missing.
    #[error("{}: the file of `mod {name}` is missing", path.display())]
    ModuleFile {
        /// The file with the declaration.
        path: PathBuf,
        /// The module.
        name: String,
    },
}
