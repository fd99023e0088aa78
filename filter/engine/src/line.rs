//! The waiting line: the waiters in the order of arrival over all lanes.
//!
//! An entry is the number of the lane that holds the request. The waiter's ticket is the position of its entry, counted from the
//! beginning of the pool. A waiter that leaves from the middle of the line leaves a hole, which is skipped at the head. The line
//! never has more than [`crate::RING_PAGES`] pages, holes included; beyond that a request is refused as if the line were full.

use slotway_test_hooks::{Defect, invariant, is_seeded};

use crate::{
    Abort, LaneId, PageSource, Region, Ticket,
    chunk_queue::{ChunkQueue, Entry},
    codec::Reader,
    page::Pages,
};

/// An entry: a lane or a hole, and when the waiter came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineEntry {
    lane: LaneId,
    since_ms: u64,
}

/// The lane of a hole. No lane has this number.
const HOLE: LaneId = LaneId::MAX;
const SINCE_MS_MASK: u64 = (1 << 48) - 1;

impl Entry for LineEntry {
    type Raw = [u8; 8];

    fn pack(self) -> Self::Raw {
        (u64::from(self.lane) << 48 | self.since_ms & SINCE_MS_MASK).to_le_bytes()
    }

    fn unpack(raw: Self::Raw) -> Self {
        let packed = u64::from_le_bytes(raw);
        Self { lane: (packed >> 48) as LaneId, since_ms: packed & SINCE_MS_MASK }
    }

    fn bytes(raws: &[Self::Raw]) -> &[u8] {
        raws.as_flattened()
    }

    fn bytes_mut(raws: &mut [Self::Raw]) -> &mut [u8] {
        raws.as_flattened_mut()
    }
}

/// The line; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    places: ChunkQueue<LineEntry>,
    /// The ticket of the entry at the head.
    head: Ticket,
    /// The number of entries that are not holes.
    waiting: u32,
}

impl Line {
    pub(crate) fn empty() -> Self {
        Self { places: ChunkQueue::empty(), head: 0, waiting: 0 }
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Returns since when the first waiter waits, if its entry is in the root.
    pub(crate) fn waiting_since_ms(&self) -> Option<u64> {
        self.places.peek().filter(|_| self.waiting > 0).map(|place| place.since_ms)
    }

    pub(crate) fn join<S: PageSource>(
        &mut self,
        lane: LaneId,
        now_ms: u64,
        pages: &mut Pages<'_, S>,
    ) -> Result<Ticket, Abort> {
        invariant!(lane != HOLE, "a waiter's lane has a number");
        let mut ticket = self.head + self.places.len() as Ticket;
        if is_seeded(Defect::ShareTicket) && self.waiting > 0 {
            ticket -= 1;
        }
        self.places.push(LineEntry { lane, since_ms: now_ms & SINCE_MS_MASK }, Region::Line, pages)?;
        self.waiting += 1;
        Ok(ticket)
    }

    /// Removes the longest waiter from the line, and returns it.
    pub(crate) fn serve<S: PageSource>(
        &mut self,
        pages: &mut Pages<'_, S>,
    ) -> Result<Option<(LaneId, Ticket)>, Abort> {
        if is_seeded(Defect::LastFirst)
            && let Some((ticket, lane)) = self.waiters(pages)?.pop()
        {
            self.leave(lane, ticket, pages)?;
            return Ok(Some((lane, ticket)));
        }
        while self.waiting > 0 {
            let Some(place) = self.places.pop(Region::Line, pages)? else {
                return Err(Abort::Corrupt("the line has fewer places than waiters"));
            };
            let ticket = self.head;
            self.head += 1;
            if place.lane != HOLE {
                self.waiting -= 1;
                self.forget_holes();
                return Ok(Some((place.lane, ticket)));
            }
        }
        Ok(None)
    }

    /// Removes a waiter from the line. `false`: the ticket is not in the line any more, so its waiter has been given a slot.
    pub(crate) fn leave<S: PageSource>(
        &mut self,
        lane: LaneId,
        ticket: Ticket,
        pages: &mut Pages<'_, S>,
    ) -> Result<bool, Abort> {
        let Some(index) = ticket.checked_sub(self.head).filter(|index| *index < self.places.len() as u64)
        else {
            return Ok(false);
        };
        let left = self.places.update(index as usize, Region::Line, pages, |place| {
            let ours = place.lane == lane;
            if ours {
                place.lane = HOLE;
            }
            ours
        })?;
        if left {
            self.lose_waiters(1)?;
            self.drop_holes_at_head(pages)?;
            self.forget_holes();
        }
        Ok(left)
    }

    /// Removes a lane's waiters from the line, among `places_max` entries from ticket `from` on. Returns their number, and the
    /// ticket to continue from.
    pub(crate) fn evict<S: PageSource>(
        &mut self,
        lane: LaneId,
        from: Ticket,
        places_max: usize,
        pages: &mut Pages<'_, S>,
    ) -> Result<(u32, Option<Ticket>), Abort> {
        let first = usize::try_from(from.saturating_sub(self.head)).unwrap_or(usize::MAX);
        let end = self.places.len().min(first.saturating_add(places_max));
        let next = (end < self.places.len()).then_some(self.head + end as Ticket);
        let mut evicted = 0;
        for index in first..end {
            let left = self.places.update(index, Region::Line, pages, |place| {
                let theirs = place.lane == lane;
                if theirs {
                    place.lane = HOLE;
                }
                theirs
            })?;
            evicted += u32::from(left);
        }
        if evicted > 0 {
            self.lose_waiters(evicted)?;
            self.drop_holes_at_head(pages)?;
            self.forget_holes();
        }
        Ok((evicted, next))
    }

    /// Returns every waiter and its lane, the longest one first. Reads every page.
    pub(crate) fn waiters<S: PageSource>(
        &self,
        pages: &mut Pages<'_, S>,
    ) -> Result<Vec<(Ticket, LaneId)>, Abort> {
        let mut waiters = Vec::new();
        let mut ticket = self.head;
        self.places.for_each(Region::Line, pages, |place| {
            waiters.extend((place.lane != HOLE).then_some((ticket, place.lane)));
            ticket += 1;
        })?;
        Ok(waiters)
    }

    fn lose_waiters(&mut self, count: u32) -> Result<(), Abort> {
        let left = self.waiting.checked_sub(count);
        self.waiting = left.ok_or(Abort::Corrupt("the line has more places than waiters and holes"))?;
        Ok(())
    }

    /// Returns whether a ticket has left the line at its head.
    pub(crate) fn is_past(&self, ticket: Ticket) -> bool {
        ticket < self.head
    }

    /// Removes holes at the head, so that [`Line::waiting_since_ms`] is the first waiter's. One step removes at most as many
    /// holes as a page has entries.
    fn drop_holes_at_head<S: PageSource>(&mut self, pages: &mut Pages<'_, S>) -> Result<(), Abort> {
        for _ in 0..crate::CHUNK {
            if self.waiting == 0 || self.places.peek().is_none_or(|place| place.lane != HOLE) {
                break;
            }
            self.places.pop(Region::Line, pages)?;
            self.head += 1;
        }
        Ok(())
    }

    /// Clears a line that has only holes, so that no page of them is read again.
    fn forget_holes(&mut self) {
        if self.waiting == 0 {
            self.head += self.places.len() as Ticket;
            self.places.clear();
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.places.encode(out);
        out.extend_from_slice(&self.head.to_le_bytes());
        out.extend_from_slice(&self.waiting.to_le_bytes());
    }

    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Abort> {
        self.places.read(reader)?;
        (self.head, self.waiting) = (reader.u64()?, reader.u32()?);
        if self.head > Ticket::MAX / 2 || self.waiting as usize > self.places.len() {
            return Err(Abort::Corrupt("the line has fewer places than waiters"));
        }
        Ok(())
    }
}
