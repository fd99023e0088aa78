//! What can be done for a lane that died, and what an audit looks at.

use crate::{Abort, LaneId, LedgerEntry, PageSource, PoolTransition, Serial, Ticket};

impl<S: PageSource> PoolTransition<'_, S> {
    /// Takes a lane's places out of the line, among the next `places_max` from ticket `from` on: the lane is believed
    /// dead. Returns how many they were, and the ticket to go on from; `None` when the end of the line was reached.
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

    /// Gives a slot that is out another number, at the lane that has it: a message with the old number, wherever it turns
    /// up, can no longer give it back or away. `None`: it is back already, and nothing has changed.
    ///
    /// # Errors
    /// [`Abort`]; nothing has changed then.
    pub fn renumber(&mut self, serial: Serial) -> Result<Option<Serial>, Abort> {
        let Some(held) = self.root.ledger.strike(serial, &mut self.pages)? else { return Ok(None) };
        let renumbered = self.root.ledger.enter(held.lane, held.worker, held.probe, &mut self.pages)?;
        Ok(Some(renumbered))
    }

    /// Notes that the request of a lane that has this slot is over: should the lane turn out to be dead, the slot may come
    /// back. `false`: it was known, or the slot is not out at that lane, and nothing has changed.
    ///
    /// # Errors
    /// [`Abort`]; nothing has changed then.
    pub fn note_over(&mut self, serial: Serial, lane: LaneId) -> Result<bool, Abort> {
        self.root.ledger.note_over(serial, lane, &mut self.pages)
    }

    /// The slots that are out, by parts: 0, and those that [`Root::ledger_part_after`] names. Parts that are looked at in order, also in
    /// transitions of their own, show every slot that is out all the while.
    ///
    /// # Errors
    /// [`Abort`] where it cannot be read.
    pub fn ledger_part(&mut self, part: u32) -> Result<Vec<LedgerEntry>, Abort> {
        self.root.ledger.part(part, &mut self.pages)
    }

    /// Every slot that is out: for whoever looks at the whole pool.
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

    /// Every waiter and its lane, the longest one first: for whoever looks at the whole pool.
    ///
    /// # Errors
    /// [`Abort`] where a page cannot be read.
    pub fn waiters(&mut self) -> Result<Vec<(Ticket, LaneId)>, Abort> {
        self.root.line.waiters(&mut self.pages)
    }
}
