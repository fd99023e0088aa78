//! The kinds of documents that this program knows.

use slotway_store::Kind;

pub use slotway_identity::kinds::{SESSION, TOKEN, TOKEN_USE, USER};
pub use slotway_pools::{POLICY, POOL, SETTINGS, WORKER};

/// The kinds of each domain, and the facts of all.
const PARTS: [&[Kind]; 5] = [
    &slotway_pools::KINDS,
    slotway_identity::KINDS,
    slotway_servers::KINDS,
    slotway_backups::KINDS,
    &[Kind::FACT],
];

const COUNT: usize = {
    let (mut part, mut count) = (0, 0);
    while part < PARTS.len() {
        (part, count) = (part + 1, count + PARTS[part].len());
    }
    count
};

/// All kinds.
pub static ALL: [Kind; COUNT] = {
    let mut all = [Kind::FACT; COUNT];
    let (mut part, mut next) = (0, 0);
    while part < PARTS.len() {
        let mut at = 0;
        while at < PARTS[part].len() {
            all[next] = PARTS[part][at];
            (at, next) = (at + 1, next + 1);
        }
        part += 1;
    }
    all
};
