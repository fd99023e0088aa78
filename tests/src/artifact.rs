//! Where the filter's module is, and whether it is what the sources say.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::SystemTime,
};

use crate::{HostError, host::Filter};

/// The variable that names another module.
const VARIABLE: &str = "SLOTWAY_FILTER";

/// The filter, compiled once for all tests of one process.
///
/// # Panics
/// With a line that says what to do, if the module is missing, stale, or does not run in the host.
#[must_use]
pub fn filter() -> &'static Filter {
    static FILTER: OnceLock<Filter> = OnceLock::new();
    FILTER.get_or_init(|| match load() {
        Ok(filter) => filter,
        Err(error) => panic!("{error}"),
    })
}

/// A variant of the filter, which `filter/build.sh` builds under that name.
///
/// # Errors
/// If it is missing, stale, or does not run in the host.
pub fn variant(name: &str) -> Result<Filter, HostError> {
    Filter::compile(&variant_module(name)?, true)
}

/// A variant of the filter as it was built.
///
/// # Errors
/// If it is missing or stale.
pub fn variant_module(name: &str) -> Result<Vec<u8>, HostError> {
    match std::env::var_os(VARIABLE) {
        // Whoever names a module knows what it is.
        Some(path) if Path::new(&path).to_string_lossy().contains(name) => read_fresh(Path::new(&path), &[]),
        _ => read_fresh(&repository().join(format!("target/slotway_filter_{name}.wasm")), &sources()),
    }
}

/// The filter as it was built.
///
/// # Errors
/// If it is missing or stale.
pub fn module() -> Result<Vec<u8>, HostError> {
    match std::env::var_os(VARIABLE) {
        // Whoever names a module knows what it is.
        Some(path) => read_fresh(Path::new(&path), &[]),
        None => read_fresh(&repository().join("target/slotway_filter.wasm"), &sources()),
    }
}

fn load() -> Result<Filter, HostError> {
    Filter::compile(&module()?, true)
}

fn repository() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// Where the filter's sources are.
fn sources() -> Vec<PathBuf> {
    ["filter/src", "filter/engine/src", "filter/config/src"].map(|part| repository().join(part)).to_vec()
}

/// Reads a module that must be newer than every `.rs` file below `sources`.
///
/// # Errors
/// [`HostError::Missing`] or [`HostError::Stale`].
pub fn read_fresh(path: &Path, sources: &[PathBuf]) -> Result<Vec<u8>, HostError> {
    let missing = |error: std::io::Error| HostError::Missing {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let built = fs::metadata(path).and_then(|about| about.modified()).map_err(missing)?;
    if let Some((source, _)) =
        sources.iter().filter_map(|dir| newest(dir)).find(|(_, changed)| *changed > built)
    {
        return Err(HostError::Stale {
            path: path.display().to_string(),
            source_path: source.display().to_string(),
        });
    }
    fs::read(path).map_err(missing)
}

/// The Rust source below `dir` that was changed last.
fn newest(dir: &Path) -> Option<(PathBuf, SystemTime)> {
    let entries = fs::read_dir(dir).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    entries
        .filter_map(|path| {
            if path.is_dir() {
                return newest(&path);
            }
            let changed = fs::metadata(&path).and_then(|about| about.modified()).ok()?;
            path.extension().is_some_and(|kind| kind == "rs").then_some((path, changed))
        })
        .max_by_key(|(_, changed)| *changed)
}
