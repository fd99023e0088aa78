//! Filters that do nothing: how much of Slotway's cost is that of any filter.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// A module that hears of each request's headers and lets it go on: what Envoy asks for any wasm filter.
pub(crate) fn continue_only() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| assemble("continue.wasm", include_str!("continue.wat"))).clone()
}

/// A module that makes the host calls of a request of Slotway's, and does nothing else: what is left if our own code cost nothing.
pub(crate) fn same_calls() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| assemble("calls.wasm", include_str!("calls.wat"))).clone()
}

/// A module that makes the least host calls with which slots can be given out at all: what no filter of this kind can do without.
pub(crate) fn least_calls() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| assemble("least.wasm", include_str!("least.wat"))).clone()
}

fn assemble(name: &str, text: &str) -> PathBuf {
    let module = target().join(name);
    std::fs::write(&module, wat::parse_str(text).unwrap()).unwrap();
    module
}

/// The smallest filter that the proxy-wasm SDK makes: a context for each request, and every callback called.
pub(crate) fn empty_sdk() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE
        .get_or_init(|| {
            let module = target().join("empty_sdk.wasm");
            let mut build = Command::new(repository().join("filter/build.sh"));
            build.args(["--package", "slotway-empty-filter"]).arg(&module);
            let built = build.output().unwrap();
            assert!(
                built.status.success(),
                "{build:?}: {}{}",
                String::from_utf8_lossy(&built.stdout),
                String::from_utf8_lossy(&built.stderr),
            );
            module
        })
        .clone()
}

/// The benchmark's folder below `target`.
fn target() -> PathBuf {
    let folder = repository().join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
