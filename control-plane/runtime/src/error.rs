use std::path::PathBuf;

/// A failure of the process's surroundings: files, the operating system.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A file or directory cannot be used.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason, in the operating system's words where it has some.
        reason: String,
    },
    /// The operating system refused a call that does not fail in normal operation.
    #[error("{doing}: {reason}")]
    System {
        /// The operation.
        doing: &'static str,
        /// The operating system's reason.
        reason: String,
    },
}

impl RuntimeError {
    /// Returns the error of a file or directory that cannot be used.
    pub fn file(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::File { path: path.into(), reason: reason.to_string() }
    }

    /// Returns the error of a call that the operating system refused.
    pub fn system(doing: &'static str, reason: impl ToString) -> Self {
        Self::System { doing, reason: reason.to_string() }
    }
}
