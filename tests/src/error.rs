/// Why a module does not run in this host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The bytes are no module, or wasmtime refuses it.
    #[error("the module cannot be loaded: {0}")]
    Module(String),
    /// It imports a function that this host does not have.
    #[error("the module imports what the host does not have: {0}")]
    Import(String),
    /// It is not a module of proxy-wasm.
    #[error("the module is not proxy-wasm ABI 0.2.1: it does not export proxy_abi_version_0_2_1")]
    Abi,
    /// It refused its configuration, or trapped on it.
    #[error("the module was not configured: {0}")]
    Configure(String),
    /// The filter was not built.
    #[error(
        "{path} is missing ({reason}): run make build, or filter/build.sh with a variant's name for a variant, or name \
         another filter in SLOTWAY_FILTER"
    )]
    Missing {
        /// The path.
        path: String,
        /// The system's error.
        reason: String,
    },
    /// The filter was built from older sources.
    #[error(
        "{path} is older than {source_path}: run make build (or filter/build.sh with a variant's name), so that the tests run what the sources say"
    )]
    Stale {
        /// The module.
        path: String,
        /// A source that is newer.
        source_path: String,
    },
}

impl HostError {
    pub(crate) fn module(error: impl std::fmt::Display) -> Self {
        Self::Module(format!("{error:#}"))
    }
}
