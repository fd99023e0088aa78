//! The root: the part of a pool's state that every transition exchanges.

use crate::{
    Abort, Ticket, WorkerIndex, chunk_queue::ChunkQueue, codec::Reader, ledger::Ledger, line::Line,
    rate::ReleaseRate,
};

/// More slots than any pool has, or one worker.
pub(crate) const COUNT_MAX: u32 = 1 << 30;
const FEWER_THAN_RECORDS: &str = "the root counts fewer slots than its workers' records";

/// The part of a pool's state that every transition exchanges: a few hundred bytes, whatever the pool's size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Counts the transitions.
    pub(crate) commit: u64,
    /// The configuration in force.
    pub(crate) generation: u64,
    /// Rises when a worker's number is given to another worker, so that no lane keeps the old one's name for
    /// it.
    pub(crate) names_epoch: u32,
    /// Worker numbers in use are below this.
    pub(crate) workers_end: u32,
    /// The sum of the capacities in force.
    pub(crate) capacity: u32,
    /// Slots that exist: free, parked, held, and surplus ones that have not come back yet.
    pub(crate) slots: u32,
    /// Slots of workers that cannot be reached.
    pub(crate) parked: u32,
    /// When a parked worker is due for a probe; `u64::MAX` for never.
    pub(crate) probe_at_ms: u64,
    /// Bit `w % 64` is set where worker w, or another with that bit, has surplus slots or is not active: its
    /// record must be read before one of its slots is used. Elsewhere no record is read.
    pub(crate) watched: u64,
    pub(crate) rate: ReleaseRate,
    pub(crate) free: ChunkQueue<WorkerIndex>,
    pub(crate) line: Line,
    pub(crate) ledger: Ledger,
}

impl Root {
    /// The state of a pool that nobody has configured yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            commit: 0,
            generation: 0,
            names_epoch: 0,
            workers_end: 0,
            capacity: 0,
            slots: 0,
            parked: 0,
            probe_at_ms: u64::MAX,
            watched: 0,
            rate: ReleaseRate::default(),
            free: ChunkQueue::empty(),
            line: Line::empty(),
            ledger: Ledger::empty(),
        }
    }

    /// Counts the transitions; a page that was written by a later one makes this root stale.
    #[must_use]
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// The generation of the configuration in force; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Rises when a worker's number is given to another worker.
    #[must_use]
    pub fn names_epoch(&self) -> u32 {
        self.names_epoch
    }

    /// The sum of the capacities in force.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// How many requests wait.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.line.waiting()
    }

    /// Since when the first of them has waited, where that is known without a look at a page.
    #[must_use]
    pub fn waiting_since_ms(&self) -> Option<u64> {
        self.line.waiting_since_ms()
    }

    /// Whether a waiter with this ticket has been given a slot, or has left the line.
    #[must_use]
    pub fn is_served(&self, ticket: Ticket) -> bool {
        self.line.is_past(ticket)
    }

    /// The part of the ledger to look at after `part`; the first is 0. See [`crate::PoolTransition::ledger_part`].
    #[must_use]
    pub fn ledger_part_after(&self, part: u32) -> Option<u32> {
        self.ledger.part_after(part)
    }

    /// When a parked worker is due for a probe; `None` for never.
    #[must_use]
    pub fn probe_at_ms(&self) -> Option<u64> {
        (self.probe_at_ms < u64::MAX).then_some(self.probe_at_ms)
    }

    /// In how many milliseconds a request that comes now could have a slot, from the rate at which slots have
    /// been coming free.
    #[must_use]
    pub fn expected_wait_ms(&self) -> Option<u64> {
        self.rate.wait_ms(self.waiting())
    }

    /// Whether marks could be left behind that only [`crate::PoolTransition::rewatch`] clears.
    #[must_use]
    pub fn may_rewatch(&self) -> bool {
        self.watched != 0 && self.workers_end > 64
    }

    /// Returns whether each slot is in the free queue, parked or out, once. A sound pool is like this after each
    /// transition.
    #[must_use]
    pub fn accounts_for_all_slots(&self) -> bool {
        self.free.len() + self.parked as usize + self.ledger.len() == self.slots as usize
    }

    /// Counts slots that are gone.
    pub(crate) fn lose_slots(&mut self, count: u32) -> Result<(), Abort> {
        self.slots = self.slots.checked_sub(count).ok_or(Abort::Corrupt(FEWER_THAN_RECORDS))?;
        Ok(())
    }

    /// Counts parked slots that are gone, or parked no longer.
    pub(crate) fn unpark(&mut self, count: u32) -> Result<(), Abort> {
        self.parked = self.parked.checked_sub(count).ok_or(Abort::Corrupt(FEWER_THAN_RECORDS))?;
        Ok(())
    }

    /// Counts one worker's capacity anew.
    pub(crate) fn change_capacity(&mut self, from: u32, to: u32) -> Result<(), Abort> {
        let others = self.capacity.checked_sub(from).ok_or(Abort::Corrupt(FEWER_THAN_RECORDS))?;
        self.capacity = others.saturating_add(to);
        Ok(())
    }

    pub(crate) fn is_watched(&self, worker: WorkerIndex) -> bool {
        self.watched & watch_bit(worker) != 0
    }

    pub(crate) fn watch(&mut self, worker: WorkerIndex) {
        self.watched |= watch_bit(worker);
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.commit, self.generation, self.probe_at_ms, self.watched] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.names_epoch, self.workers_end, self.capacity, self.slots, self.parked] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        self.rate.encode(out);
        self.free.encode(out);
        self.line.encode(out);
        self.ledger.encode(out);
    }

    /// Reads what [`Root::encode`] wrote, in place of what is here.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Abort> {
        (self.commit, self.generation) = (reader.u64()?, reader.u64()?);
        (self.probe_at_ms, self.watched) = (reader.u64()?, reader.u64()?);
        (self.names_epoch, self.workers_end) = (reader.u32()?, reader.u32()?);
        (self.capacity, self.slots, self.parked) = (reader.u32()?, reader.u32()?, reader.u32()?);
        self.rate = ReleaseRate::decode(reader)?;
        self.free.read(reader)?;
        self.line.read(reader)?;
        self.ledger.read(reader)?;
        // Bounds that no pool comes near, within which no transition's sums overflow.
        if self.commit > u64::MAX / 2 || self.workers_end > u32::from(WorkerIndex::MAX) {
            return Err(Abort::Corrupt("a number that no pool reaches"));
        }
        if self.capacity > COUNT_MAX || self.slots > COUNT_MAX || self.parked > self.slots {
            return Err(Abort::Corrupt("more slots than a pool can have"));
        }
        Ok(())
    }
}

impl Default for Root {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) fn watch_bit(worker: WorkerIndex) -> u64 {
    1 << (worker % 64)
}
