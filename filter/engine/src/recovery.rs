//! Transitions for the recovery of dead lanes, and for audits.

use crate::{Abort, LaneId, LedgerEntry, PageSource, PoolTransition, Serial, Ticket};

impl<S: PageSource> PoolTransition<'_, S> {
    /// Removes a dead lane's waiters from the line, among `places_max` entries from ticket `from` on. Returns their number, and
    /// the ticket to continue from; `None` at the end of the line.
    ///
    /// # Errors
    /// [`Abort`]; nothing has changed then.
    pub fn evict(
        &mut self,
        lane: LaneId,
        from: Ticket,
        places_max: usize,
    ) -> Result<(u32, Option<Ticket>), Abort> {
        self.root.line.evict(lane, from, places_max, &mut self.pages)
    }

    /// Gives a slot that is out a new serial, at the same lane. A message with the old serial can then neither release the slot
    /// nor give it to a waiter. `None`: the slot is back already, and nothing has changed.
    ///
    /// # Errors
    /// [`Abort`]; nothing has changed then.
    pub fn renumber(&mut self, serial: Serial) -> Result<Option<Serial>, Abort> {
        let Some(held) = self.root.ledger.strike(serial, &mut self.pages)? else { return Ok(None) };
        let renumbered = self.root.ledger.enter(held.lane, held.worker, held.probe, &mut self.pages)?;
        Ok(Some(renumbered))
    }

    /// Notes that the request of a lane with this slot is over. If the lane is dead, the slot may be released. `false`: this was
    /// known, or the slot is not out at that lane, and nothing has changed.
    ///
    /// # Errors
    /// [`Abort`]; nothing has changed then.
    pub fn note_over(&mut self, serial: Serial, lane: LaneId) -> Result<bool, Abort> {
        self.root.ledger.note_over(serial, lane, &mut self.pages)
    }

    /// Returns the slots that are out in one part of the ledger: 0, or a part that [`Root::ledger_part_after`](crate::Root::ledger_part_after)
    /// returned. Parts that are read in order, also in separate transitions, show every slot that is out all the time.
    ///
    /// # Errors
    /// [`Abort`] where it cannot be read.
    pub fn ledger_part(&mut self, part: u32) -> Result<Vec<LedgerEntry>, Abort> {
        self.root.ledger.part(part, &mut self.pages)
    }

    /// Returns every slot that is out.
    ///
    /// # Errors
    /// [`Abort`] where a page cannot be read.
    pub fn ledger_entries(&mut self) -> Result<Vec<LedgerEntry>, Abort> {
        let mut held = Vec::new();
        let mut part = Some(0);
        while let Some(at) = part {
            held.extend(self.ledger_part(at)?);
            part = self.root.ledger_part_after(at);
        }
        Ok(held)
    }

    /// Returns every waiter and its lane, the longest one first.
    ///
    /// # Errors
    /// [`Abort`] where a page cannot be read.
    pub fn waiters(&mut self) -> Result<Vec<(Ticket, LaneId)>, Abort> {
        self.root.line.waiters(&mut self.pages)
    }
}
