use std::{
    fs::{File, TryLockError},
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
    std::fs::create_dir_all(state).map_err(unavailable)?;
    let open = File::options().create(true).truncate(false).write(true).open(state.join("lock"));
    let file = open.map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(state.to_owned())),
        Err(TryLockError::Error(error)) => Err(unavailable(error)),
    }
}
