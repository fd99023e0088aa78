//! The root: the part of a pool's state that every transition exchanges.

use crate::{
    Abort, Ticket, WorkerIndex, chunk_queue::ChunkQueue, codec::Reader, ledger::Ledger, limits::COUNT_MAX,
    line::Line, rate::ReleaseRate,
};

const FEWER_THAN_RECORDS: &str = "the root counts fewer slots than its workers' records";

/// The part of a pool's state that every transition exchanges: a few hundred bytes for a pool of any size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The number of transitions.
    pub(crate) commit: u64,
    /// The generation of the configuration in force.
    pub(crate) generation: u64,
    /// Rises when another worker gets an index, so that lanes forget the name of the worker before.
    pub(crate) names_epoch: u32,
    /// All worker indexes in use are below this.
    pub(crate) workers_end: u32,
    /// The sum of the capacities in force.
    pub(crate) capacity: u32,
    /// The slots that exist: free, parked and out, including surplus ones.
    pub(crate) slots: u32,
    /// The parked slots, of workers that cannot be reached.
    pub(crate) parked: u32,
    /// When a parked worker is due for a probe; `u64::MAX` for never.
    pub(crate) probe_at_ms: u64,
    /// Bit `w % 64` is set if worker w, or another one with the same bit, has surplus slots or is not active. Then its record is
    /// read before one of its slots is used.
    pub(crate) watched: u64,
    pub(crate) rate: ReleaseRate,
    pub(crate) free: ChunkQueue<WorkerIndex>,
    pub(crate) line: Line,
    pub(crate) ledger: Ledger,
}

impl Root {
    /// Returns the state of a pool before its first configuration.
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

    /// Returns the number of transitions. A page of a later transition makes this root stale.
    #[must_use]
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Returns the generation of the configuration in force; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns a number that rises when another worker gets an index.
    #[must_use]
    pub fn names_epoch(&self) -> u32 {
        self.names_epoch
    }

    /// Returns the sum of the capacities in force.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Returns the number of requests that wait.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.line.waiting()
    }

    /// Returns since when the first of them waits, if that is known without reading a page.
    #[must_use]
    pub fn waiting_since_ms(&self) -> Option<u64> {
        self.line.waiting_since_ms()
    }

    /// Returns whether the waiter with this ticket has been given a slot, or has left the line.
    #[must_use]
    pub fn is_served(&self, ticket: Ticket) -> bool {
        self.line.is_past(ticket)
    }

    /// Returns the part of the ledger that follows `part`; the first is 0. See [`crate::PoolTransition::ledger_part`].
    #[must_use]
    pub fn ledger_part_after(&self, part: u32) -> Option<u32> {
        self.ledger.part_after(part)
    }

    /// Returns when a parked worker is due for a probe; `None` for never.
    #[must_use]
    pub fn probe_at_ms(&self) -> Option<u64> {
        (self.probe_at_ms < u64::MAX).then_some(self.probe_at_ms)
    }

    /// Returns in how many milliseconds a request that comes now can expect a slot, from the rate of the releases so far.
    #[must_use]
    pub fn expected_wait_ms(&self) -> Option<u64> {
        self.rate.wait_ms(self.waiting())
    }

    /// Returns whether there may be marks that only [`crate::PoolTransition::rewatch`] clears.
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

    /// Subtracts slots that are removed.
    pub(crate) fn lose_slots(&mut self, count: u32) -> Result<(), Abort> {
        self.slots = self.slots.checked_sub(count).ok_or(Abort::Corrupt(FEWER_THAN_RECORDS))?;
        Ok(())
    }

    /// Subtracts parked slots that are removed, or not parked any more.
    pub(crate) fn unpark(&mut self, count: u32) -> Result<(), Abort> {
        self.parked = self.parked.checked_sub(count).ok_or(Abort::Corrupt(FEWER_THAN_RECORDS))?;
        Ok(())
    }

    /// Replaces one worker's capacity in the sum.
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

    /// Decodes a root into this one.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Abort> {
        (self.commit, self.generation) = (reader.u64()?, reader.u64()?);
        (self.probe_at_ms, self.watched) = (reader.u64()?, reader.u64()?);
        (self.names_epoch, self.workers_end) = (reader.u32()?, reader.u32()?);
        (self.capacity, self.slots, self.parked) = (reader.u32()?, reader.u32()?, reader.u32()?);
        self.rate = ReleaseRate::decode(reader)?;
        self.free.read(reader)?;
        self.line.read(reader)?;
        self.ledger.read(reader)?;
        // No pool reaches these bounds, and no transition overflows within them.
        if self.commit > u64::MAX / 2 || self.workers_end > u32::from(WorkerIndex::MAX) {
            return Err(Abort::Corrupt("a number is larger than any pool has"));
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
