//! The pool's transitions, as `slotway_engine` makes them: each is one exchange of the root.

use crate::{
    defect::Defect,
    list::List,
    state::{Grant, LaneNumber, LedgerEntry, LineEntry, Root, Serial, Ticket, WORKERS},
};

/// The result of a request for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It has a slot: serial and worker.
    Slot(Serial, u8),
    /// It waits.
    Ticket(Ticket),
}

/// Slots for waiters.
pub(crate) type Grants = List<Grant, 4>;

impl Root {
    /// A pool with its first capacities.
    pub(crate) fn new(capacity: [u8; WORKERS]) -> Self {
        let mut root = Self { next_ticket: 1, next_serial: 1, slots: capacity, capacity, ..Self::default() };
        for (worker, slots) in (0..).zip(capacity) {
            (0..slots).for_each(|_| root.free.push(worker));
        }
        root
    }

    /// Takes the slot at the head, or a place in the line.
    pub(crate) fn take(&mut self, lane: LaneNumber, defect: Option<Defect>) -> Taken {
        if self.line.is_empty() {
            while let Some(worker) = self.free.pop() {
                if self.surplus(worker) > 0 && defect != Some(Defect::KeepSurplus) {
                    self.slots[usize::from(worker)] -= 1;
                    continue;
                }
                return Taken::Slot(self.enter(lane, worker, defect), worker);
            }
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.line.push(LineEntry { ticket, lane });
        Taken::Ticket(ticket)
    }

    /// Removes a waiter from the line. `false`: it is not in the line any more.
    pub(crate) fn cancel(&mut self, lane: LaneNumber, ticket: Ticket) -> bool {
        let before = self.line.len();
        self.line.retain(|place| *place != LineEntry { ticket, lane });
        self.line.len() < before
    }

    /// Removes a lane's waiters from the line. `false`: it has none.
    pub(crate) fn evict(&mut self, lane: LaneNumber) -> bool {
        let before = self.line.len();
        self.line.retain(|place| place.lane != lane);
        self.line.len() < before
    }

    /// Releases a slot. `None`: it is back already.
    pub(crate) fn release(&mut self, serial: Serial, worker: u8, defect: Option<Defect>) -> Option<Grants> {
        let known = self.held(serial).copied();
        if known.is_none() && defect != Some(Defect::NoSerials) {
            return None;
        }
        // The worker in the ledger counts, whichever lane releases the slot.
        let worker = known.map_or(worker, |held| held.worker);
        self.ledger.retain(|held| held.serial != serial);
        let mut grants = Grants::default();
        if self.surplus(worker) > 0 && defect != Some(Defect::ReuseSurplus) {
            self.slots[usize::from(worker)] -= 1;
        } else if let Some(grant) = self.give(worker, defect) {
            grants.push(grant);
        }
        Some(grants)
    }

    /// Gives a slot that is out a new serial. `None`: it is back.
    pub(crate) fn renumber(
        &mut self,
        serial: Serial,
        lane: LaneNumber,
        defect: Option<Defect>,
    ) -> Option<Serial> {
        let held = self.held(serial).copied()?;
        if defect == Some(Defect::KeepSerial) {
            return Some(serial);
        }
        self.ledger.retain(|held| held.serial != serial);
        Some(self.enter(lane, held.worker, defect))
    }

    /// Notes that the request of a lane with this slot is over. `false`: nothing changes.
    pub(crate) fn note_over(&mut self, serial: Serial, lane: LaneNumber, defect: Option<Defect>) -> bool {
        let any_lane = defect == Some(Defect::WitnessOfOther);
        let wanted = |held: &&mut LedgerEntry| held.serial == serial && (any_lane || held.lane == lane);
        match self.ledger.items_mut().iter_mut().find(wanted).filter(|held| !held.is_over) {
            Some(held) => {
                held.is_over = true;
                true
            }
            None => false,
        }
    }

    /// Puts a worker's new capacity in force. `None`: it is already.
    pub(crate) fn change(&mut self, worker: u8, capacity: u8, defect: Option<Defect>) -> Option<Grants> {
        if std::mem::replace(&mut self.is_changed, true) {
            return None;
        }
        let at = usize::from(worker);
        self.capacity[at] = capacity;
        let mut missing = capacity.saturating_sub(self.slots[at]);
        if missing > 0 && defect == Some(Defect::MintOneMore) {
            missing += 1;
        }
        self.slots[at] += missing;
        let mut grants = Grants::default();
        for _ in 0..missing {
            if let Some(grant) = self.give(worker, defect) {
                grants.push(grant);
            }
        }
        while self.surplus(worker) > 0 && defect != Some(Defect::KeepSurplus) {
            let Some(place) = self.free.items().iter().position(|free| *free == worker) else { break };
            self.free.remove(place);
            self.slots[at] -= 1;
        }
        Some(grants)
    }

    /// Gives a slot to the longest waiter, or to the tail of the queue.
    fn give(&mut self, worker: u8, defect: Option<Defect>) -> Option<Grant> {
        let first = match defect {
            Some(Defect::Barge) => None,
            Some(Defect::LastFirst) => self.line.len().checked_sub(1),
            _ => (!self.line.is_empty()).then_some(0),
        };
        let Some(first) = first else {
            self.free.push(worker);
            return None;
        };
        let LineEntry { ticket, lane } = self.line.remove(first);
        Some(Grant { lane, ticket, worker, serial: self.enter(lane, worker, defect) })
    }

    /// Enters a slot that goes out.
    fn enter(&mut self, lane: LaneNumber, worker: u8, defect: Option<Defect>) -> Serial {
        let mut serial = self.next_serial;
        if defect == Some(Defect::ReuseSerial) {
            serial = (1..=serial).find(|serial| self.held(*serial).is_none()).unwrap_or(serial);
        }
        self.next_serial = self.next_serial.max(serial + 1);
        self.ledger.push(LedgerEntry { serial, lane, worker, is_over: false });
        self.ledger.items_mut().sort_unstable();
        serial
    }

    fn surplus(&self, worker: u8) -> u8 {
        let at = usize::from(worker);
        self.slots[at].saturating_sub(self.capacity[at])
    }
}
