/// Why a module does not run in this host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Not a module, or one that wasmtime refuses.
    #[error("the module cannot be loaded: {0}")]
    Module(String),
    /// It imports what neither Envoy nor this host offers.
    #[error("the module imports what the host does not have: {0}")]
    Import(String),
    /// Not proxy-wasm.
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
        /// Where it was looked for.
        path: String,
        /// What the system says.
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
