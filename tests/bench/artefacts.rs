use std::{env, fs, path::Path};

use slotway_tests::artifact;

use slotway_test_site::artefact;

/// Copies the measured programs into `folder`: a run takes long, and a build meanwhile must not change what later
/// rounds measure. Call it before any thread is started.
///
/// # Errors
/// If a program is missing, or older than its sources.
pub(crate) fn keep(folder: &Path) -> Result<(), String> {
    let failed = |what: &Path| {
        let what = what.display().to_string();
        move |error: std::io::Error| format!("{what}: {error}")
    };
    let filter = folder.join("filter.wasm");
    let module = artifact::module().map_err(|error| error.to_string())?;
    fs::write(&filter, module).map_err(failed(&filter))?;
    let slotway = folder.join("slotway");
    // A running program cannot be overwritten.
    let _ = fs::remove_file(&slotway);
    fs::copy(artefact("SLOTWAY_BIN", "target/release/slotway"), &slotway).map_err(failed(&slotway))?;
    // SAFETY: no other thread that could read the environment runs yet.
    unsafe {
        env::set_var("SLOTWAY_FILTER", &filter);
        env::set_var("SLOTWAY_BIN", &slotway);
    }
    Ok(())
}
