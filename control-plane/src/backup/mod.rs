//! All that the store must not forget, as one file, and back: `slotway backup` and `slotway restore`.
//!
//! What is in it is documents, not a copy of a database: so it can be looked at, and what one database held can be put into
//! another one ([`crate::store`]). What agents are told to back up is something else (`slotway_backups::BackupJob`).

mod file;
mod restore;

pub(crate) use file::Backup;
pub(crate) use restore::{Became, Plan, restore};

use crate::kinds;
use crate::{
    store::{Document, Kind},
    workers::GENERATION,
};

/// Whether a backup has this document. Not in it are sessions and when tokens were used, of which nobody wants the old state
/// back, and the program's own book-keeping but for the generation, which must not fall on a machine whose clock is behind.
fn is_kept(document: &Document) -> bool {
    match document.kind {
        kinds::SESSION | kinds::TOKEN_USE => false,
        Kind::FACT => document.key == GENERATION,
        _ => true,
    }
}
