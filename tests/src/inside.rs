//! The filter's shared state, read by the engine from outside the filter.

use std::{collections::BTreeMap, fmt};

use slotway_engine::{
    Abort, Image, LaneId, LedgerEntry, Page, PageId, PageSource, PoolTransition, Region, Serial, Survey,
    Ticket, WorkerSurvey,
};

use crate::host::SharedData;

/// The `vm_id` of the host.
const VM_ID: &str = "slotway";

/// Surveys a pool in shared data; an empty survey if the pool was never written.
///
/// # Panics
/// If the state cannot be read.
#[must_use]
pub fn survey(data: &SharedData, pool: &str) -> Survey {
    look(data, pool, |pool| pool.survey()).expect("a pool that the engine wrote")
}

/// Returns the workers of a pool by base URL.
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

/// A pool at one moment, from its shared state.
#[derive(Debug, Clone)]
pub(crate) struct PoolView {
    /// The number of transitions.
    pub(crate) commit: u64,
    /// The number of waiters, from the root.
    pub(crate) waiting: u32,
    /// The sum of capacities, from the root.
    pub(crate) capacity: u32,
    /// The waiters, the longest one first: tickets and lanes.
    pub(crate) waiters: Vec<(Ticket, LaneId)>,
    /// The slots that are out, by serial.
    pub(crate) held: BTreeMap<Serial, LedgerEntry>,
    /// Whether the transition changed pages of the queue or of the line.
    pub(crate) spilled: bool,
    pub(crate) survey: Survey,
    /// The workers' base URLs, in the order of the survey.
    pub(crate) names: Vec<String>,
}

/// One line, for traces.
impl fmt::Display for PoolView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Survey { generation, free, in_flight, parked, .. } = &self.survey;
        write!(
            f,
            "state {}: generation {generation}, {free} free, {in_flight} out, {parked} parked, ",
            self.commit
        )?;
        write!(f, "{} waiting:", self.waiting)?;
        for (worker, name) in self.survey.workers.iter().zip(&self.names) {
            let name = name.trim_start_matches("http://").split('.').next().unwrap_or(name);
            write!(f, " {name} {}/{}", worker.in_flight, worker.capacity)?;
        }
        write!(f, "; out:")?;
        for held in self.held.values() {
            write!(f, " {}@{}", held.serial, held.lane)?;
        }
        Ok(())
    }
}

/// Reads a pool; an error if its state is invalid.
pub(crate) fn view(data: &SharedData, pool: &str) -> Result<PoolView, Abort> {
    look(data, pool, |pool| {
        let survey = pool.survey()?;
        let names = survey.workers.iter().map(|worker| pool.name(worker.worker));
        let names = names.map(|name| Ok(String::from_utf8_lossy(&name?).into_owned()));
        let names = names.collect::<Result<_, Abort>>()?;
        let waiters = pool.waiters()?;
        let held = pool.ledger_entries()?.into_iter().map(|held| (held.serial, held)).collect();
        let root = pool.root();
        let (commit, waiting, capacity) = (root.commit(), root.waiting(), root.capacity());
        Ok(PoolView { commit, waiting, capacity, waiters, held, spilled: false, survey, names })
    })
    .map(|mut view| {
        view.spilled = spills(data, pool);
        view
    })
}

/// Returns the compare-and-swap number of a pool's root, which changes with the state. 0 if it was never written.
pub(crate) fn root_cas(data: &SharedData, root_key: &[u8]) -> u32 {
    data.get(VM_ID, root_key).map_or(0, |(_, cas)| cas)
}

/// Returns the key of a pool's root.
pub(crate) fn root_key(pool: &str) -> Vec<u8> {
    format!("slotway/1/{pool}/root").into_bytes()
}

fn spills(data: &SharedData, pool: &str) -> bool {
    let of = |region: char| data.get(VM_ID, format!("slotway/1/{pool}/{region}0").as_bytes()).is_some();
    of('f') || of('l')
}

fn look<R>(
    data: &SharedData,
    pool: &str,
    look: impl FnOnce(&mut PoolTransition<'_, Pages<'_>>) -> Result<R, Abort>,
) -> Result<R, Abort> {
    let prefix = format!("slotway/1/{pool}/");
    let mut image = match data.get(VM_ID, format!("{prefix}root").as_bytes()) {
        Some((bytes, _)) => Image::decode(bytes)?,
        None => Image::default(),
    };
    let logged = image.stored_pages().collect();
    let mut pages = Pages { data, prefix, logged };
    look(&mut PoolTransition::new(&mut image, &mut pages))
}

/// The pages of a pool. Pages in the log of the newest transition come first.
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
