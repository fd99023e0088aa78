//! The ledger: which slot is out, under which number, at which lane.
//!
//! Every slot that is given out gets a *serial*, which is never used again. A slot comes back by its serial, and only
//! once: one that is not in the ledger any more changes nothing. So a lane that died, one that was only believed dead,
//! and whoever gives its slots back for it cannot give back one slot twice between them.
//!
//! Serials that were given out lately stand in the root. When there are [`YOUNG_MAX`] of them, the oldest
//! [`CHUNK`](crate::CHUNK) make room: those still out move to pages, [`LEDGER_PAGES`] in all, chosen by the serial. A
//! request that ends before so many others have begun never touches a page.

use slotway_test_hooks::{Defect, invariant, is_seeded};

use crate::{
    Abort, LaneId, PageId, PageSource, ProbeTerm, Region, WorkerIndex,
    chunk_queue::{CHUNK, Entry},
    codec::Reader,
    page::Pages,
};

/// The number of a slot's way out, counted from the pool's beginning.
pub type Serial = u64;

/// Serials in the root.
const YOUNG_MAX: usize = 2 * CHUNK;
/// Pages that hold the others.
pub const LEDGER_PAGES: u32 = 256;
/// No lane has this number: the slot is back.
const BACK: LaneId = LaneId::MAX;
/// A young one that is back.
const BACK_RAW: <Young as Entry>::Raw = [0xff, 0xff, 0, 0, 0, 0];
/// Bits for all pages.
const FILLED_WORDS: usize = (LEDGER_PAGES / 64) as usize;
const ENTRY_BYTES: usize = 14;
/// Where an aged entry says that its request is over.
const OVER_AT: usize = 13;

/// A slot that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its number.
    pub serial: Serial,
    /// The lane whose request has it, or to which it is on its way.
    pub lane: LaneId,
    /// Whose slot it is.
    pub worker: WorkerIndex,
    /// Where its request is to find out if the worker can be reached again.
    pub probe: Option<ProbeTerm>,
    /// Its request is over, as somebody else than its lane has said.
    pub is_over: bool,
}

/// One serial in the root: who has it.
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

/// The ledger: see the module's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ledger {
    /// The serial of `young[0]`; that of the next slot, where there are none.
    first: Serial,
    young: [<Young as Entry>::Raw; YOUNG_MAX],
    count: usize,
    /// How many stand in pages.
    aged: u32,
    /// The pages that have any.
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

    /// The serials in the root, those that are back among them.
    fn young(&self) -> impl Iterator<Item = Young> {
        self.young[..self.count].iter().copied().map(Young::unpack)
    }

    /// How many slots are out.
    pub(crate) fn len(&self) -> usize {
        self.aged as usize + self.young().filter(|young| young.lane != BACK).count()
    }

    /// Writes down that a slot goes out.
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

    /// Strikes out a slot that comes back. `None`: it is back already.
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

    /// The slot of a serial that is out and stands in the root, and its place there.
    fn find_young(&self, serial: Serial) -> Option<(usize, Young)> {
        let at = usize::try_from(serial.checked_sub(self.first)?).ok()?;
        let young = Young::unpack(*self.young[..self.count].get(at)?);
        (young.lane != BACK).then_some((at, young))
    }

    /// The slot of a serial that is out and stands in a page: which page, and where in it.
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

    /// Drops the oldest `count` young ones.
    fn forget(&mut self, count: usize) {
        self.young.copy_within(count..self.count, 0);
        self.count -= count;
        if !is_seeded(Defect::ReuseSerial) {
            self.first += count as Serial;
        }
    }

    /// Moves the oldest to pages.
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

    /// Notes that a lane's request is over. `false`: it was known, or the slot is not out at that lane.
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

    /// A part of the ledger: 0 is the root's, the others are pages. Whoever looks at the parts in order sees every slot
    /// that is out all the while, since slots only move from the root to the pages.
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

    /// The next part to look at.
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
        if count > YOUNG_MAX || self.first > Serial::MAX / 2 || self.aged > crate::root::COUNT_MAX {
            return Err(Abort::Corrupt("a ledger that is too long"));
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
