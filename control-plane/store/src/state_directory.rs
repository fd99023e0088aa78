use std::{
    fs::{DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use super::StoreError;

/// Creates the state directory and locks it, because two control planes in one directory would each act on their own
/// state. The lock lasts as long as the file is open; the operating system releases it when the process ends.
pub(super) fn take(state: &Path) -> Result<File, StoreError> {
    let unavailable = |error: std::io::Error| StoreError::Unavailable {
        place: state.display().to_string(),
        reason: error.to_string(),
    };
    make(state).map_err(unavailable)?;
    let open = File::options().create(true).truncate(false).write(true).open(state.join("lock"));
    let file = open.map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(state.to_owned())),
        Err(TryLockError::Error(error)) => Err(unavailable(error)),
    }
}

/// Creates the directory with access for its owner alone: the database contains password hashes. An existing directory
/// is not changed.
fn make(state: &Path) -> std::io::Result<()> {
    if let Some(parent) = state.parent() {
        std::fs::create_dir_all(parent)?;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(state)
}
