use std::{
    fs::{File, TryLockError},
    path::Path,
};

use slotway_runtime::file;

use super::StoreError;

/// Creates the state directory and locks it, because two control planes in one directory would each act on their own
/// state. The lock lasts as long as the file is open; the operating system releases it when the process ends.
pub(super) fn take(state: &Path) -> Result<File, StoreError> {
    let unavailable = |error: std::io::Error| StoreError::Unavailable {
        place: state.display().to_string(),
        reason: error.to_string(),
    };
    // For its owner alone: the database contains password hashes.
    file::create_private_directory(state).map_err(unavailable)?;
    let open = File::options().create(true).truncate(false).write(true).open(state.join("lock"));
    let file = open.map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(state.to_owned())),
        Err(TryLockError::Error(error)) => Err(unavailable(error)),
    }
}
