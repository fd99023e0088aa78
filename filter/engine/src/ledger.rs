//! The ledger: which slot is out, under which number, at which lane.
//!
//! Every slot that is given out gets a *serial*, which is never used again. A slot comes back by its serial, and only
//! once: one that is not in the ledger any more changes nothing. So a lane that died, one that was only believed dead,
//! and whoever gives its slots back for it cannot give back one slot twice between them.
//!
//! Serials that were given out lately stand in the root. When there are [`YOUNG_MAX`] of them, the oldest
//! [`CHUNK`](crate::CHUNK) make room: those still out move to pages, [`LEDGER_PAGES`] in all, chosen by the serial. A
//! request that ends before so many others have begun never touches a page.

use crate::{
    Abort, LaneId, PageId, PageSource, ProbeTerm, Region, WorkerIndex,
    chunk_queue::CHUNK,
    codec::Reader,
    mutant::{Mutant, active},
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
/// Bits for all pages.
const FILLED_WORDS: usize = (LEDGER_PAGES / 64) as usize;
const ENTRY_BYTES: usize = 14;
/// Where an aged entry says that its request is over.
const OVER_AT: usize = 13;

/// A slot that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
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
    const BACK: Self = Self { lane: BACK, worker: 0, probe: None, is_over: false };

    fn held(self, serial: Serial) -> Held {
        let Self { lane, worker, probe, is_over } = self;
        Held { serial, lane, worker, probe, is_over }
    }

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lane.to_le_bytes());
        out.extend_from_slice(&self.worker.to_le_bytes());
        out.extend_from_slice(&[self.probe.map_or(0, ProbeTerm::get), u8::from(self.is_over)]);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, Abort> {
        let (lane, worker) = (reader.u16()?, reader.u16()?);
        let probe = ProbeTerm::new(reader.u8()?);
        let is_over = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(Abort::Corrupt("a slot in no known condition")),
        };
        Ok(Self { lane, worker, probe, is_over })
    }
}

/// The ledger: see the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// The serial of `young[0]`; that of the next slot, where there are none.
    first: Serial,
    young: [Young; YOUNG_MAX],
    count: usize,
    /// How many stand in pages.
    aged: u32,
    /// The pages that have any.
    filled: [u64; FILLED_WORDS],
}

impl Ledger {
    pub(crate) fn empty() -> Self {
        Self { first: 1, young: [Young::BACK; YOUNG_MAX], count: 0, aged: 0, filled: [0; FILLED_WORDS] }
    }

    fn young(&self) -> &[Young] {
        &self.young[..self.count]
    }

    /// How many slots are out.
    pub(crate) fn len(&self) -> usize {
        self.aged as usize + self.young().iter().filter(|young| young.lane != BACK).count()
    }

    /// Writes down that a slot goes out.
    pub(crate) fn enter<S: PageSource>(
        &mut self,
        lane: LaneId,
        worker: WorkerIndex,
        probe: Option<ProbeTerm>,
        pages: &mut Pages<'_, S>,
    ) -> Result<Serial, Abort> {
        debug_assert_ne!(lane, BACK);
        if self.count == YOUNG_MAX {
            self.age(pages)?;
        }
        let serial = self.first + self.count as Serial;
        self.young[self.count] = Young { lane, worker, probe, is_over: false };
        self.count += 1;
        Ok(serial)
    }

    /// Strikes out a slot that comes back. `None`: it is back already.
    pub(crate) fn strike<S: PageSource>(
        &mut self,
        serial: Serial,
        pages: &mut Pages<'_, S>,
    ) -> Result<Option<Held>, Abort> {
        if serial < self.first {
            return self.strike_aged(serial, pages);
        }
        let Some(young) = self.young_mut(serial) else { return Ok(None) };
        let held = young.held(serial);
        if active(Mutant::KeepInLedger) {
            return Ok(Some(held));
        }
        *young = Young::BACK;
        let back = self.young().iter().take_while(|young| young.lane == BACK).count();
        self.forget(back);
        Ok(Some(held))
    }

    /// The slot of a serial that is out and stands in the root.
    fn young_mut(&mut self, serial: Serial) -> Option<&mut Young> {
        let at = usize::try_from(serial.checked_sub(self.first)?).ok()?;
        self.young[..self.count].get_mut(at).filter(|young| young.lane != BACK)
    }

    /// The slot of a serial that is out and stands in a page: which page, and where in it.
    fn aged<S: PageSource>(
        &self,
        serial: Serial,
        pages: &mut Pages<'_, S>,
    ) -> Result<Option<(PageId, usize, Held)>, Abort> {
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
        if !active(Mutant::ReuseSerial) {
            self.first += count as Serial;
        }
    }

    /// Moves the oldest to pages.
    fn age<S: PageSource>(&mut self, pages: &mut Pages<'_, S>) -> Result<(), Abort> {
        for at in 0..CHUNK {
            let young = self.young[at];
            if young.lane == BACK || active(Mutant::ForgetAged) {
                continue;
            }
            let serial = self.first + at as Serial;
            let id = page_of(serial);
            self.filled[id.number as usize / 64] |= 1 << (id.number % 64);
            let page = pages.change(id)?;
            page.extend_from_slice(&serial.to_le_bytes());
            young.put(page);
            self.aged += 1;
        }
        self.forget(CHUNK);
        Ok(())
    }

    fn strike_aged<S: PageSource>(
        &mut self,
        serial: Serial,
        pages: &mut Pages<'_, S>,
    ) -> Result<Option<Held>, Abort> {
        let Some((id, at, held)) = self.aged(serial, pages)? else { return Ok(None) };
        if active(Mutant::KeepInLedger) {
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
            let young = self.young_mut(serial).filter(|young| young.lane == lane && !young.is_over);
            return Ok(young.map(|young| young.is_over = true).is_some());
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
    ) -> Result<Vec<Held>, Abort> {
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
        for young in self.young() {
            young.put(out);
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Abort> {
        let mut ledger = Self { first: reader.u64()?, aged: reader.u32()?, ..Self::empty() };
        if ledger.aged > 0 {
            for word in &mut ledger.filled {
                *word = reader.u64()?;
            }
        }
        ledger.count = usize::from(reader.u8()?);
        if ledger.count > YOUNG_MAX || ledger.first > Serial::MAX / 2 || ledger.aged > crate::root::COUNT_MAX
        {
            return Err(Abort::Corrupt("a ledger that is too long"));
        }
        for young in &mut ledger.young[..ledger.count] {
            *young = Young::get(reader)?;
        }
        Ok(ledger)
    }
}

fn page_of(serial: Serial) -> PageId {
    PageId::new(Region::Ledger, (serial / CHUNK as Serial % Serial::from(LEDGER_PAGES)) as u32)
}

fn decode_page(bytes: &[u8]) -> Result<Vec<Held>, Abort> {
    let mut reader = Reader::new(bytes);
    let mut entries = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
    while !reader.is_empty() {
        let serial = reader.u64()?;
        entries.push(Young::get(&mut reader)?.held(serial));
    }
    Ok(entries)
}
