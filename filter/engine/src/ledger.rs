//! The ledger: which slots are out, under which serial, at which lane.
//!
//! Every slot that goes out gets a *serial*, which is never used again. A slot comes back by its serial, and only once: a serial
//! that is not in the ledger any more changes nothing. So a lane that was declared dead, and the lane that releases its slots,
//! cannot both release the same slot.
//!
//! The newest serials are in the root (*young*). When there are [`YOUNG_MAX`] of them, the oldest [`CHUNK`] make
//! room: slots that are still out move to pages (*aged*), [`LEDGER_PAGES`] in all, chosen by the serial. A request that ends
//! before so many others have begun uses no page.

use slotway_test_hooks::{Defect, invariant, is_seeded};

use crate::{
    Abort, LaneId, PageId, PageSource, ProbeTerm, Region, Serial, WorkerIndex,
    chunk_queue::{CHUNK, Entry},
    codec::Reader,
    page::Pages,
};

/// Most serials in the root.
const YOUNG_MAX: usize = 2 * CHUNK;
/// The number of pages that hold the others.
pub const LEDGER_PAGES: u32 = 256;
/// The lane of a slot that is back. No lane has this number.
const BACK: LaneId = LaneId::MAX;
/// A young entry whose slot is back.
const BACK_RAW: <Young as Entry>::Raw = [0xff, 0xff, 0, 0, 0, 0];
/// Words with one bit for each page.
const FILLED_WORDS: usize = (LEDGER_PAGES / 64) as usize;
const ENTRY_BYTES: usize = 14;
/// The byte of an aged entry that says that its request is over.
const OVER_AT: usize = 13;

/// A slot that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its serial.
    pub serial: Serial,
    /// The lane whose request holds it, or to which it is on its way.
    pub lane: LaneId,
    /// The worker of the slot.
    pub worker: WorkerIndex,
    /// The term of the probe, if its request probes the worker.
    pub probe: Option<ProbeTerm>,
    /// The witness has told that its request is over.
    pub is_over: bool,
}

/// A serial in the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Young {
    lane: LaneId,
    worker: WorkerIndex,
    probe: Option<ProbeTerm>,
    is_over: bool,
}

impl Young {
    fn held(self, serial: Serial) -> LedgerEntry {
        let Self { lane, worker, probe, is_over } = self;
        LedgerEntry { serial, lane, worker, probe, is_over }
    }
}

impl Entry for Young {
    type Raw = [u8; 6];

    fn pack(self) -> Self::Raw {
        let ([lane, lane_high], [worker, worker_high]) = (self.lane.to_le_bytes(), self.worker.to_le_bytes());
        let probe = self.probe.map_or(0, ProbeTerm::get);
        [lane, lane_high, worker, worker_high, probe, u8::from(self.is_over)]
    }

    fn unpack([lane, lane_high, worker, worker_high, probe, is_over]: Self::Raw) -> Self {
        Self {
            lane: LaneId::from_le_bytes([lane, lane_high]),
            worker: WorkerIndex::from_le_bytes([worker, worker_high]),
            probe: ProbeTerm::new(probe),
            is_over: is_over != 0,
        }
    }

    fn bytes(raws: &[Self::Raw]) -> &[u8] {
        raws.as_flattened()
    }

    fn bytes_mut(raws: &mut [Self::Raw]) -> &mut [u8] {
        raws.as_flattened_mut()
    }
}

/// The ledger; see the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ledger {
    /// The serial of `young[0]`, or of the next slot if there is none.
    first: Serial,
    young: [<Young as Entry>::Raw; YOUNG_MAX],
    count: usize,
    /// The number of entries in pages.
    aged: u32,
    /// The pages that have entries, one bit each.
    filled: [u64; FILLED_WORDS],
}

impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        let young = self.young[..self.count] == other.young[..other.count];
        young && (self.first, self.aged, self.filled) == (other.first, other.aged, other.filled)
    }
}

impl Eq for Ledger {}

impl Ledger {
    pub(crate) fn empty() -> Self {
        Self { first: 1, young: [BACK_RAW; YOUNG_MAX], count: 0, aged: 0, filled: [0; FILLED_WORDS] }
    }

    /// Returns the young entries, including slots that are back.
    fn young(&self) -> impl Iterator<Item = Young> {
        self.young[..self.count].iter().copied().map(Young::unpack)
    }

    /// Returns the number of slots that are out.
    pub(crate) fn len(&self) -> usize {
        self.aged as usize + self.young().filter(|young| young.lane != BACK).count()
    }

    /// Enters a slot that goes out.
    pub(crate) fn enter<S: PageSource>(
        &mut self,
        lane: LaneId,
        worker: WorkerIndex,
        probe: Option<ProbeTerm>,
        pages: &mut Pages<'_, S>,
    ) -> Result<Serial, Abort> {
        invariant!(lane != BACK, "a slot goes out to a lane that has a number");
        if self.count == YOUNG_MAX {
            self.age(pages)?;
        }
        let serial = self.first + self.count as Serial;
        self.young[self.count] = Young { lane, worker, probe, is_over: false }.pack();
        self.count += 1;
        Ok(serial)
    }

    /// Removes a slot that comes back. `None`: it is back already.
    pub(crate) fn strike<S: PageSource>(
        &mut self,
        serial: Serial,
        pages: &mut Pages<'_, S>,
    ) -> Result<Option<LedgerEntry>, Abort> {
        if serial < self.first {
            return self.strike_aged(serial, pages);
        }
        let Some((at, young)) = self.find_young(serial) else { return Ok(None) };
        let held = young.held(serial);
        if is_seeded(Defect::KeepInLedger) {
            return Ok(Some(held));
        }
        self.young[at] = BACK_RAW;
        let back = self.young[..self.count].iter().take_while(|raw| **raw == BACK_RAW).count();
        if back > 0 {
            self.forget(back);
        }
        Ok(Some(held))
    }

    /// Returns the young entry of a slot that is out, and its index.
    fn find_young(&self, serial: Serial) -> Option<(usize, Young)> {
        let at = usize::try_from(serial.checked_sub(self.first)?).ok()?;
        let young = Young::unpack(*self.young[..self.count].get(at)?);
        (young.lane != BACK).then_some((at, young))
    }

    /// Returns the aged entry of a slot that is out, its page, and its offset in the page.
    fn aged<S: PageSource>(
        &self,
        serial: Serial,
        pages: &mut Pages<'_, S>,
    ) -> Result<Option<(PageId, usize, LedgerEntry)>, Abort> {
        if self.aged == 0 {
            return Ok(None);
        }
        let id = page_of(serial);
        let entries = decode_page(pages.read(id)?)?;
        let found = (0..).zip(entries).find(|(_, held)| held.serial == serial);
        Ok(found.map(|(at, held)| (id, at * ENTRY_BYTES, held)))
    }

    /// Drops the oldest `count` young entries.
    fn forget(&mut self, count: usize) {
        self.young.copy_within(count..self.count, 0);
        self.count -= count;
        if !is_seeded(Defect::ReuseSerial) {
            self.first += count as Serial;
        }
    }

    /// Moves the oldest young entries to pages.
    fn age<S: PageSource>(&mut self, pages: &mut Pages<'_, S>) -> Result<(), Abort> {
        for at in 0..CHUNK {
            let raw = self.young[at];
            if raw == BACK_RAW || is_seeded(Defect::ForgetAged) {
                continue;
            }
            let serial = self.first + at as Serial;
            let id = page_of(serial);
            self.filled[id.number as usize / 64] |= 1 << (id.number % 64);
            let page = pages.change(id)?;
            page.extend_from_slice(&serial.to_le_bytes());
            page.extend_from_slice(&raw);
            self.aged += 1;
        }
        self.forget(CHUNK);
        Ok(())
    }

    fn strike_aged<S: PageSource>(
        &mut self,
        serial: Serial,
        pages: &mut Pages<'_, S>,
    ) -> Result<Option<LedgerEntry>, Abort> {
        let Some((id, at, held)) = self.aged(serial, pages)? else { return Ok(None) };
        if is_seeded(Defect::KeepInLedger) {
            return Ok(Some(held));
        }
        let page = pages.change(id)?;
        page.drain(at..at + ENTRY_BYTES);
        if page.is_empty() {
            self.filled[id.number as usize / 64] &= !(1 << (id.number % 64));
        }
        self.aged -= 1;
        Ok(Some(held))
    }

    /// Notes that a lane's request is over. `false`: this was known, or the slot is not out at that lane.
    pub(crate) fn note_over<S: PageSource>(
        &mut self,
        serial: Serial,
        lane: LaneId,
        pages: &mut Pages<'_, S>,
    ) -> Result<bool, Abort> {
        if serial >= self.first {
            let young = self.find_young(serial).filter(|(_, young)| young.lane == lane && !young.is_over);
            let Some((at, young)) = young else { return Ok(false) };
            self.young[at] = Young { is_over: true, ..young }.pack();
            return Ok(true);
        }
        let aged = self.aged(serial, pages)?;
        let Some((id, at, _)) = aged.filter(|(_, _, held)| held.lane == lane && !held.is_over) else {
            return Ok(false);
        };
        match pages.change(id)?.get_mut(at + OVER_AT) {
            Some(over) => *over = 1,
            None => return Err(Abort::Corrupt("a ledger's page ends too early")),
        }
        Ok(true)
    }

    /// Returns a part of the ledger: 0 is the root, the others are pages. A reader of the parts in order sees every slot that is
    /// out all the time, since slots only move from the root to the pages.
    pub(crate) fn part<S: PageSource>(
        &self,
        part: u32,
        pages: &mut Pages<'_, S>,
    ) -> Result<Vec<LedgerEntry>, Abort> {
        if part > 0 {
            return decode_page(pages.read(PageId::new(Region::Ledger, part - 1))?);
        }
        let out = (self.first..).zip(self.young()).filter(|(_, young)| young.lane != BACK);
        Ok(out.map(|(serial, young)| young.held(serial)).collect())
    }

    /// Returns the next part that has entries.
    pub(crate) fn part_after(&self, part: u32) -> Option<u32> {
        let is_filled = |page: &u32| self.filled[*page as usize / 64] & 1 << (page % 64) != 0;
        (part..LEDGER_PAGES).find(is_filled).map(|page| page + 1)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.aged.to_le_bytes());
        if self.aged > 0 {
            self.filled.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        }
        out.push(self.count as u8);
        out.extend_from_slice(self.young[..self.count].as_flattened());
    }

    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Abort> {
        (self.first, self.aged) = (reader.u64()?, reader.u32()?);
        self.filled = [0; FILLED_WORDS];
        if self.aged > 0 {
            for word in &mut self.filled {
                *word = reader.u64()?;
            }
        }
        let count = usize::from(reader.u8()?);
        if count > YOUNG_MAX || self.first > Serial::MAX / 2 || self.aged > crate::limits::COUNT_MAX {
            return Err(Abort::Corrupt("the ledger is too long"));
        }
        self.count = count;
        let young = self.young[..count].as_flattened_mut();
        young.copy_from_slice(reader.bytes(young.len())?);
        Ok(())
    }
}

fn page_of(serial: Serial) -> PageId {
    PageId::new(Region::Ledger, (serial / CHUNK as Serial % Serial::from(LEDGER_PAGES)) as u32)
}

fn decode_page(bytes: &[u8]) -> Result<Vec<LedgerEntry>, Abort> {
    let mut reader = Reader::new(bytes);
    let mut entries = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
    while !reader.is_empty() {
        let serial = reader.u64()?;
        entries.push(Young::unpack(reader.array()?).held(serial));
    }
    Ok(entries)
}
