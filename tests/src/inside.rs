//! The filter's shared state, read from outside with the engine's own eyes.

use std::collections::BTreeMap;

use slotway_engine::{Abort, Image, Page, PageId, PageSource, Pool, Region, Root, Survey, WorkerSurvey};

use crate::host::SharedData;

/// The `vm_id` of the host.
const VM_ID: &str = "slotway";

/// Looks at a pool in shared data; an empty survey if the pool was never written.
///
/// # Panics
/// If the state cannot be read.
#[must_use]
pub fn survey(data: &SharedData, pool: &str) -> Survey {
    look(data, pool, |pool| pool.survey()).expect("a pool that the engine wrote")
}

/// The workers of a pool by base URL.
///
/// # Panics
/// If the state cannot be read.
#[must_use]
pub fn workers(data: &SharedData, pool: &str) -> BTreeMap<String, WorkerSurvey> {
    let name_of = |worker| {
        let name = look(data, pool, |pool| pool.name(worker)).expect("a worker's name");
        String::from_utf8(name).expect("a base URL")
    };
    survey(data, pool).workers.into_iter().map(|worker| (name_of(worker.worker), worker)).collect()
}

fn look<R>(
    data: &SharedData,
    pool: &str,
    look: impl FnOnce(&mut Pool<'_, Pages<'_>>) -> Result<R, Abort>,
) -> Result<R, Abort> {
    let prefix = format!("slotway/1/{pool}/");
    let image = match data.get(VM_ID, format!("{prefix}root").as_bytes()) {
        Some((bytes, _)) => Image::decode(bytes).expect("a root that the engine wrote"),
        None => Image::default(),
    };
    let logged = image.stored_pages().collect();
    let mut pages = Pages { data, prefix, logged };
    let root: Root = image.root.clone();
    look(&mut Pool::new(root, &mut pages))
}

/// The pages of one pool, with those that the newest transition has logged in front.
struct Pages<'a> {
    data: &'a SharedData,
    prefix: String,
    logged: BTreeMap<PageId, Vec<u8>>,
}

impl PageSource for Pages<'_> {
    fn read(&mut self, id: PageId) -> Result<Page, Abort> {
        if let Some(bytes) = self.logged.get(&id) {
            return Page::decode(bytes);
        }
        let region = match id.region {
            Region::Free => 'f',
            Region::Line => 'l',
            Region::Worker => 'w',
            Region::Name => 'n',
            Region::Ledger => 'h',
        };
        let key = format!("{}{region}{}", self.prefix, id.number);
        self.data
            .get(VM_ID, key.as_bytes())
            .map_or_else(|| Ok(Page::default()), |(bytes, _)| Page::decode(bytes))
    }
}
