//! The filter's module, and the check that it is not older than its sources.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::SystemTime,
};

use crate::{HostError, host::Filter};

/// The variable that names another module.
const VARIABLE: &str = "SLOTWAY_FILTER";
/// The variable that names another module for the variant for tests.
const TEST_VARIABLE: &str = "SLOTWAY_FILTER_TEST";

/// Returns the filter, compiled once for all tests of a process.
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

/// Compiles the variant of the filter for tests, with seeded defects, crashes on demand and assertions.
///
/// # Errors
/// If it is missing, stale, or does not run in the host.
pub fn test_variant() -> Result<Filter, HostError> {
    Filter::compile(&test_variant_module()?, true)
}

/// Reads the variant of the filter for tests (`filter/build.sh test`).
///
/// # Errors
/// If it is missing or stale.
pub fn test_variant_module() -> Result<Vec<u8>, HostError> {
    match std::env::var_os(TEST_VARIABLE) {
        // The caller who names a module is responsible for its age.
        Some(path) => read_fresh(Path::new(&path), &[]),
        None => read_fresh(&repository().join("target/slotway_filter_test.wasm"), &sources()),
    }
}

/// Reads the filter's module.
///
/// # Errors
/// If it is missing or stale.
pub fn module() -> Result<Vec<u8>, HostError> {
    match std::env::var_os(VARIABLE) {
        // The caller who names a module is responsible for its age.
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

/// Returns the folders of the filter's sources.
fn sources() -> Vec<PathBuf> {
    ["filter/src", "filter/engine/src", "filter/config/src", "filter/policy/src", "filter/test-hooks/src"]
        .map(|part| repository().join(part))
        .to_vec()
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

/// Returns the Rust source below `dir` that was changed last.
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
