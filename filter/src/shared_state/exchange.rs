//! Changing one value by compare-and-swap.

use crate::{error::FilterError, host::Host};

/// Attempts of one change. Each failed one means that another lane has succeeded, so only a host that refuses every write
/// uses them up.
pub(super) const ATTEMPTS_MAX: usize = 10_000;

/// A compare-and-swap number that the host does not give within its first four billion writes: with it a value is stored
/// only if the key has none. (Number 0 would overwrite another lane's value.)
pub(super) const ONLY_IF_ABSENT: u32 = u32::MAX;

/// Changes a value that stands by itself. `change` returns the new value, or `None` to leave it. It is called again if
/// another lane has changed the value meanwhile.
pub(crate) fn exchange<H: Host, R>(
    host: &H,
    key: &str,
    mut change: impl FnMut(Option<&[u8]>) -> Result<(Option<Vec<u8>>, R), FilterError>,
) -> Result<R, FilterError> {
    for _ in 0..ATTEMPTS_MAX {
        let (before, cas) = host.shared_data(key)?.unzip();
        let (changed, result) = change(before.as_deref())?;
        let Some(after) = changed else { return Ok(result) };
        match host.set_shared_data(key, &after, cas.unwrap_or(ONLY_IF_ABSENT)) {
            Ok(_) => return Ok(result),
            Err(error) if error.is_cas_mismatch() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(FilterError::Contended)
}
