//! Search for the programs and files that `slotway up` needs.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::CliError;

const BUILD: &str = "run `make build`";

/// Returns the Envoy to run: the named one, else `.tools/envoy`, else `envoy` of the `PATH`.
///
/// # Errors
/// [`CliError::Missing`].
pub(super) fn envoy(named: Option<&Path>) -> Result<PathBuf, CliError> {
    let remedy = "run `make build`, which fetches it, or name yours with ENVOY=/path/to/envoy";
    let on_path = env::var_os("PATH").unwrap_or_default();
    // An empty entry would be the working directory.
    let directories = env::split_paths(&on_path).filter(|directory| !directory.as_os_str().is_empty());
    let on_path = directories.map(|directory| directory.join("envoy"));
    let candidates = std::iter::once(PathBuf::from(".tools/envoy")).chain(on_path);
    first("Envoy", named, candidates, "looked for .tools/envoy and for envoy on the PATH", remedy)
}

/// Returns the filter's code: the named file, else `slotway_filter.wasm` in the directory of the build.
///
/// # Errors
/// [`CliError::Missing`].
pub(super) fn filter(named: Option<&Path>) -> Result<PathBuf, CliError> {
    let beside = program_directory().and_then(|directory| directory.parent().map(Path::to_owned));
    let directories = beside.into_iter().chain([PathBuf::from("target")]);
    let candidates = directories.map(|directory| directory.join("slotway_filter.wasm"));
    let looked = "looked for target/slotway_filter.wasm";
    first("the filter", named, candidates, looked, "run `make build`, or name it with --filter")
}

/// Returns the reference worker, beside this program.
///
/// # Errors
/// [`CliError::Missing`].
pub(super) fn worker() -> Result<PathBuf, CliError> {
    let candidates = program_directory().into_iter().map(|directory| directory.join("slotway-worker"));
    first("the reference worker", None, candidates, "looked for slotway-worker beside slotway", BUILD)
}

fn program_directory() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    program.parent().map(Path::to_owned)
}

fn first(
    what: &'static str,
    named: Option<&Path>,
    mut candidates: impl Iterator<Item = PathBuf>,
    looked: &str,
    remedy: &'static str,
) -> Result<PathBuf, CliError> {
    // `ENVOY= make run` sets an empty value, which names no file.
    let (found, looked) = match named.filter(|path| !path.as_os_str().is_empty()) {
        Some(named) => (named.is_file().then(|| named.to_owned()), format!("{} is no file", named.display())),
        None => (candidates.find(|path| path.is_file()), looked.to_owned()),
    };
    let found = found.ok_or(CliError::Missing { what, looked, remedy })?;
    std::path::absolute(&found).map_err(|error| CliError::file(found, error))
}
