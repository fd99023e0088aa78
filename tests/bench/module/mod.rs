//! Filters without any function: the part of Slotway's cost that every filter has.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Returns a module that receives the headers of each request and continues: the minimum for any wasm filter.
pub(crate) fn continue_only() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| assemble("continue.wasm", include_str!("continue.wat"))).clone()
}

/// Returns a module that makes the host calls of a request in Slotway, and nothing else: the cost without Slotway's own
/// code.
pub(crate) fn same_calls() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| assemble("calls.wasm", include_str!("calls.wat"))).clone()
}

/// Returns a module that makes the minimal host calls with which slots can be granted: the minimum for a filter of this
/// kind.
pub(crate) fn least_calls() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| assemble("least.wasm", include_str!("least.wat"))).clone()
}

fn assemble(name: &str, text: &str) -> PathBuf {
    let module = target().join(name);
    std::fs::write(&module, wat::parse_str(text).unwrap()).unwrap();
    module
}

/// Returns the smallest filter with the proxy-wasm SDK: a context for each request, and a call of every callback.
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

/// Returns the benchmark's folder below `target`.
fn target() -> PathBuf {
    let folder = repository().join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
