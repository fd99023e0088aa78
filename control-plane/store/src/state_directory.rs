use std::{
    fs::{DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use super::StoreError;

/// Makes the state directory and locks it: two control planes in one would each believe their own picture of it. The
/// lock is held while the file lives; the system frees it when the process ends, however it ends.
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

/// Makes the directory for its owner alone: a database has hashes that somebody could guess passwords against. One that is there
/// stays as it is.
fn make(state: &Path) -> std::io::Result<()> {
    if let Some(parent) = state.parent() {
        std::fs::create_dir_all(parent)?;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(state)
}
