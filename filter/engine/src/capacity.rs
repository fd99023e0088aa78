//! Changes of capacity: workers that come, go, grow and shrink.

use std::collections::BTreeMap;

use slotway_test_hooks::{Defect, is_seeded};

use crate::{
    Abort, Grant, PageId, PageSource, PoolTransition, Region, WorkerIndex,
    chunk_queue::ChunkQueue,
    interleave::interleave,
    parking,
    worker_table::{self, Reach, Record},
};

/// The longest free queue that is put in a new order when slots are added, so that old and new slots alternate. New slots of
/// a longer queue alternate among themselves and join at the tail.
const REINTERLEAVE_MAX: usize = 1_024;
/// The same limit where many slots are added at once, at least one for each [`OLD_FOR_EACH_NEW`] slots of the queue. The
/// workers of a large pool come in several transitions ([`CHANGES_MAX`]). Without this, the last ones would stand together:
/// each would get a few requests in a row, and then none for so long that its connection is closed.
const REINTERLEAVE_MANY_MAX: usize = 16_384;
const OLD_FOR_EACH_NEW: usize = 16;
/// Most workers that change in one transition; the others follow in the next ones.
const CHANGES_MAX: usize = 2_048;

/// One worker of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DesiredWorker<'a> {
    /// Its name, to which a lane sends requests.
    pub name: &'a str,
    /// Its capacity, at least 1.
    pub capacity: u32,
}

/// The result of a change of configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// New slots that went to waiters.
    pub grants: Vec<Grant>,
    /// Whether the whole configuration is in force; if not, the same call has to be repeated.
    pub done: bool,
}

impl<S: PageSource> PoolTransition<'_, S> {
    /// Puts a configuration in force, if it is newer than the one in force. New workers and workers that grow get slots, but no
    /// slot whose predecessor is still out. Workers that shrink or are removed lose their surplus: parked slots, and free ones
    /// in a short queue, at once; the other slots when they come back or reach the head.
    ///
    /// # Errors
    /// [`Abort`]; nothing has changed then.
    pub fn reconcile(
        &mut self,
        generation: u64,
        specs: &[DesiredWorker<'_>],
        now_ms: u64,
    ) -> Result<Reconciled, Abort> {
        let mut reconciled = Reconciled { grants: Vec::new(), done: true };
        if generation <= self.root.generation && !is_seeded(Defect::OldGeneration) {
            return Ok(reconciled);
        }
        let mut unnamed: BTreeMap<u64, WorkerIndex> = BTreeMap::new();
        let mut vacant = Vec::new();
        for worker in 0..self.root.workers_end as WorkerIndex {
            let record = worker_table::read(worker, &mut self.pages)?;
            if record.is_vacant() {
                vacant.push(worker);
            } else {
                unnamed.insert(record.id, worker);
            }
        }
        vacant.reverse();
        let mut named = Vec::with_capacity(specs.len());
        for spec in specs {
            named.push((spec, unnamed.remove(&digest(spec.name))));
        }
        let mut changes = 0;
        for worker in unnamed.into_values() {
            changes += usize::from(changes < CHANGES_MAX && self.resize(worker, 0)?.is_some());
        }
        let mut minted = Vec::new();
        for (spec, worker) in named {
            if changes >= CHANGES_MAX {
                reconciled.done = false;
                break;
            }
            let worker = match worker {
                Some(worker) => worker,
                None => self.enrol(spec, &mut vacant)?,
            };
            if let Some(new) = self.resize(worker, spec.capacity)? {
                changes += 1;
                minted.push((worker, new));
            }
        }
        reconciled.done &= changes < CHANGES_MAX;
        self.spread(minted, &mut reconciled.grants, now_ms)?;
        if reconciled.done {
            self.root.generation = generation;
        }
        Ok(reconciled)
    }

    /// Gives a new worker an index and stores its name.
    fn enrol(
        &mut self,
        spec: &DesiredWorker<'_>,
        vacant: &mut Vec<WorkerIndex>,
    ) -> Result<WorkerIndex, Abort> {
        let worker = match vacant.pop() {
            Some(worker) => worker,
            None => {
                // No worker has the highest index, so that the end of the indexes is one too.
                let next = WorkerIndex::try_from(self.root.workers_end).ok();
                let worker = next.filter(|next| *next < WorkerIndex::MAX).ok_or(Abort::NoRoom)?;
                self.root.workers_end += 1;
                worker
            }
        };
        let id = PageId::new(Region::Name, u32::from(worker));
        if self.pages.read(id)? != spec.name.as_bytes() {
            self.pages.replace(id, spec.name.as_bytes().to_vec());
            self.root.names_epoch = self.root.names_epoch.wrapping_add(1);
        }
        let record = Record { id: digest(spec.name), ..Record::VACANT };
        worker_table::write(worker, &record, &mut self.pages)?;
        Ok(worker)
    }

    /// Sets a worker's capacity. Returns the number of new usable slots; `None` where the capacity was the same.
    fn resize(&mut self, worker: WorkerIndex, capacity: u32) -> Result<Option<u32>, Abort> {
        let mut record = worker_table::read(worker, &mut self.pages)?;
        if record.capacity == capacity {
            return Ok(None);
        }
        self.root.change_capacity(record.capacity, capacity)?;
        let before = std::mem::replace(&mut record.capacity, capacity);
        let mut usable = 0;
        let mut missing = capacity.saturating_sub(record.slots);
        if is_seeded(Defect::MintOneMore) && missing > 0 {
            missing += 1;
        }
        if is_seeded(Defect::MintTooSoon) {
            missing = capacity.saturating_sub(before);
        }
        record.slots += missing;
        self.root.slots += missing;
        if record.reach == Reach::Active {
            usable = missing;
        } else {
            record.parked += missing;
            self.root.parked += missing;
            self.root.probe_at_ms = parking::sooner(self.root.probe_at_ms, &record);
        }
        let retired = record.surplus().min(record.parked);
        record.slots -= retired;
        record.parked -= retired;
        self.root.lose_slots(retired)?;
        self.root.unpark(retired)?;
        self.store(worker, record)?;
        Ok(Some(usable))
    }

    /// Puts new slots into the queue, evenly between the old ones, and takes surplus slots out of a short queue. Waiters get
    /// slots before the queue does.
    fn spread(
        &mut self,
        minted: Vec<(WorkerIndex, u32)>,
        grants: &mut Vec<Grant>,
        now_ms: u64,
    ) -> Result<(), Abort> {
        if minted.is_empty() && self.root.watched == 0 {
            return Ok(());
        }
        let new: usize = minted.iter().map(|(_, slots)| *slots as usize).sum();
        let old = self.root.free.len();
        let longest = if new * OLD_FOR_EACH_NEW >= old { REINTERLEAVE_MANY_MAX } else { REINTERLEAVE_MAX };
        if old == 0 || old + new > longest {
            for worker in interleave(&minted) {
                grants.extend(self.give(worker, None)?);
            }
            return Ok(());
        }
        let mut free: BTreeMap<WorkerIndex, u32> = BTreeMap::new();
        self.root
            .free
            .for_each(Region::Free, &mut self.pages, |worker| *free.entry(worker).or_default() += 1)?;
        for (worker, slots) in minted {
            *free.entry(worker).or_default() += slots;
        }
        for (worker, slots) in &mut free {
            *slots -= self.retire_free(*worker, *slots, now_ms)?;
        }
        let free: Vec<_> = free.into_iter().collect();
        let mut queue = ChunkQueue::empty();
        // The new queue overwrites the pages of the old one, and is at most as long as allowed for the old one.
        for worker in interleave(&free) {
            queue.push(worker, Region::Free, &mut self.pages)?;
        }
        self.root.free = queue;
        Ok(())
    }

    /// Retires surplus slots among a worker's `free` slots. Returns their number.
    fn retire_free(&mut self, worker: WorkerIndex, free: u32, now_ms: u64) -> Result<u32, Abort> {
        if !self.root.is_watched(worker) {
            return Ok(0);
        }
        let mut record = worker_table::read(worker, &mut self.pages)?;
        let retired = record.surplus().min(free);
        if retired == 0 {
            return Ok(0);
        }
        record.slots -= retired;
        self.root.lose_slots(retired)?;
        if record.reach == Reach::ProbeReady && retired == free {
            record.reach = Reach::Parked;
            record.probe_at_ms = now_ms;
            self.root.probe_at_ms = parking::sooner(self.root.probe_at_ms, &record);
        }
        self.store(worker, record)?;
        Ok(retired)
    }
}

/// Returns FNV-1a over the name, never 0. An operator chooses the names, so a collision would have to be intended. Among random
/// names one is likely only with some five billion workers.
fn digest(name: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, fold).max(1)
}
