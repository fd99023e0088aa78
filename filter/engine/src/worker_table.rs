//! The records of a pool's workers, in pages of [`RECORDS`].

use slotway_test_hooks::invariant;

use crate::{
    Abort, PageId, PageSource, ProbeTerm, Region, WorkerIndex, codec::Reader, limits::COUNT_MAX, page::Pages,
};

/// Records in a page.
pub(crate) const RECORDS: usize = 16;
const RECORD_BYTES: usize = 32;

/// Whether a worker can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It can, as far as is known.
    Active,
    /// It cannot. Its slots are parked when they come back or reach the head of the queue.
    Parked,
    /// It could not. The request that takes its next slot is the probe.
    ProbeReady,
    /// It could not. A probe is under way.
    Probing,
}

/// The state of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// A digest of its name; 0 for no worker.
    pub(crate) id: u64,
    /// Its capacity in force; 0 once it was removed.
    pub(crate) capacity: u32,
    /// Its slots that exist. Slots above the capacity are a surplus, which is removed when it comes back.
    pub(crate) slots: u32,
    /// Its parked slots.
    pub(crate) parked: u32,
    /// Consecutive failures to reach it.
    pub(crate) failures: u16,
    pub(crate) reach: Reach,
    /// The term of the newest probe.
    pub(crate) probe: Option<ProbeTerm>,
    /// When it is probed again, while it is parked.
    pub(crate) probe_at_ms: u64,
}

impl Record {
    pub(crate) const VACANT: Self = Self {
        id: 0,
        capacity: 0,
        slots: 0,
        parked: 0,
        failures: 0,
        reach: Reach::Active,
        probe: None,
        probe_at_ms: 0,
    };

    /// Begins a probe, and returns its term.
    pub(crate) fn begin_probe(&mut self) -> ProbeTerm {
        let term = self.probe.and_then(|term| term.checked_add(1)).unwrap_or(ProbeTerm::MIN);
        self.probe = Some(term);
        self.reach = Reach::Probing;
        term
    }

    /// Parks one of its slots.
    pub(crate) fn park(&mut self) -> Result<(), Abort> {
        if self.parked >= self.slots {
            return Err(Abort::Corrupt("a worker has more free and parked slots than slots"));
        }
        self.parked += 1;
        Ok(())
    }

    pub(crate) fn surplus(&self) -> u32 {
        self.slots.saturating_sub(self.capacity)
    }

    /// Returns whether this record has to be read before one of its slots is used.
    pub(crate) fn needs_watch(&self) -> bool {
        self.surplus() > 0 || self.reach != Reach::Active
    }

    /// Returns whether the worker is removed and has drained.
    pub(crate) fn is_vacant(&self) -> bool {
        self.capacity == 0 && self.slots == 0
    }

    fn put(&self, out: &mut [u8]) {
        let reach = match self.reach {
            Reach::Active => 0_u8,
            Reach::Parked => 1,
            Reach::ProbeReady => 2,
            Reach::Probing => 3,
        };
        out[0..8].copy_from_slice(&self.id.to_le_bytes());
        out[8..12].copy_from_slice(&self.capacity.to_le_bytes());
        out[12..16].copy_from_slice(&self.slots.to_le_bytes());
        out[16..20].copy_from_slice(&self.parked.to_le_bytes());
        out[20..22].copy_from_slice(&self.failures.to_le_bytes());
        out[22..24].copy_from_slice(&[reach, self.probe.map_or(0, ProbeTerm::get)]);
        out[24..32].copy_from_slice(&self.probe_at_ms.to_le_bytes());
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Abort> {
        let (id, capacity, slots) = (reader.u64()?, reader.u32()?, reader.u32()?);
        let (parked, failures) = (reader.u32()?, reader.u16()?);
        let reach = match reader.u8()? {
            0 => Reach::Active,
            1 => Reach::Parked,
            2 => Reach::ProbeReady,
            3 => Reach::Probing,
            _ => return Err(Abort::Corrupt("a worker has an unknown state")),
        };
        let probe = ProbeTerm::new(reader.u8()?);
        let probe_at_ms = reader.u64()?;
        if capacity > COUNT_MAX || slots > COUNT_MAX || parked > slots {
            return Err(Abort::Corrupt("a worker has more parked slots than slots"));
        }
        Ok(Self { id, capacity, slots, parked, failures, reach, probe, probe_at_ms })
    }
}

fn place(worker: WorkerIndex) -> (PageId, usize) {
    let number = usize::from(worker) / RECORDS;
    (PageId::new(Region::Worker, number as u32), usize::from(worker) % RECORDS * RECORD_BYTES)
}

pub(crate) fn read<S: PageSource>(worker: WorkerIndex, pages: &mut Pages<'_, S>) -> Result<Record, Abort> {
    let (page, at) = place(worker);
    match pages.read(page)?.get(at..at + RECORD_BYTES) {
        Some(bytes) => Record::get(&mut Reader::new(bytes)),
        None => Ok(Record::VACANT),
    }
}

/// Returns the records of a page: the workers from `number * RECORDS` on.
pub(crate) fn read_page<S: PageSource>(
    number: u32,
    pages: &mut Pages<'_, S>,
) -> Result<[Record; RECORDS], Abort> {
    let bytes = pages.read(PageId::new(Region::Worker, number))?;
    let mut records = [Record::VACANT; RECORDS];
    for (record, bytes) in records.iter_mut().zip(bytes.chunks_exact(RECORD_BYTES)) {
        *record = Record::get(&mut Reader::new(bytes))?;
    }
    Ok(records)
}

pub(crate) fn write<S: PageSource>(
    worker: WorkerIndex,
    record: &Record,
    pages: &mut Pages<'_, S>,
) -> Result<(), Abort> {
    invariant!(record.parked <= record.slots, "a worker's parked slots are among its slots");
    let (page, at) = place(worker);
    let bytes = pages.change(page)?;
    if bytes.len() < RECORDS * RECORD_BYTES {
        bytes.resize(RECORDS * RECORD_BYTES, 0);
    }
    record.put(&mut bytes[at..at + RECORD_BYTES]);
    Ok(())
}
