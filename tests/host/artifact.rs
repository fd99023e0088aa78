//! The guard against a stale module.

use std::{
    fs::{self, File},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use slotway_tests::{HostError, artifact::read_fresh};

/// Returns a module and a source below two directories, the source changed a second later than the module or a second earlier.
fn module_and_source(later: bool) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (module, sources) = (dir.path().join("filter.wasm"), dir.path().join("src"));
    fs::create_dir_all(sources.join("deep")).unwrap();
    let built = SystemTime::now() - Duration::from_secs(1_000);
    let changed = if later { built + Duration::from_secs(1) } else { built - Duration::from_secs(1) };
    for (path, time) in [(&module, built), (&sources.join("deep/lane.rs"), changed)] {
        fs::write(path, "content").unwrap();
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    (dir, module, sources)
}

#[test]
fn a_module_that_is_newer_than_its_sources_is_read() {
    let (_dir, module, sources) = module_and_source(false);
    assert_eq!(read_fresh(&module, &[sources]).unwrap(), b"content");
}

#[test]
fn a_module_that_is_older_than_a_source_is_refused() {
    let (_dir, module, sources) = module_and_source(true);
    let error = read_fresh(&module, &[sources]).unwrap_err();
    assert!(matches!(&error, HostError::Stale { source_path, .. } if source_path.ends_with("deep/lane.rs")));
    assert!(error.to_string().contains("make build"));
}

#[test]
fn a_module_that_was_never_built_is_reported_with_the_command_that_builds_it() {
    let dir = tempfile::tempdir().unwrap();
    let error = read_fresh(&dir.path().join("filter.wasm"), &[]).unwrap_err();
    assert!(matches!(error, HostError::Missing { .. }));
    assert!(error.to_string().contains("make build"));
}
