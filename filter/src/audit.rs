//! What a lane checks of itself: that it knows of every slot that stands under its number in the ledger, and that a
//! waiter that was given a slot gets it.
//!
//! A slot on its way is in the ledger under its receiver's number before the message is sent. Where the sender died in
//! between, nobody else knows of it. So a waiter that was served and whose slot has not come by the next beat looks for
//! it in the ledger; a slot that nobody waits for is given back; and a waiter for which there is no slot (it was taken
//! out of the line while this lane was believed dead) joins the line again.

use std::collections::{BTreeSet, HashSet};

use slotway_engine::{Grant, Held, LaneId, Outcome, Serial, Take, TakeRequest, Ticket};
use slotway_test_hooks::{Defect, is_seeded};

use crate::{
    error::FilterError, host, lane::Lane, lane_pool::LanePool, metrics::RequestOutcome, refusal::Reason,
    shared::Step, stream::Phase,
};

/// Slots found in the ledger whose message may still come: they are remembered, so that it changes nothing.
const FOUND_MAX: usize = 4_096;

/// What the last audit of one pool has seen.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// Waiters that have left the line, nobody knows how.
    pub(crate) astray: BTreeSet<Ticket>,
    /// Waiters that were served and have not got their slots.
    late: BTreeSet<Ticket>,
    /// Slots under this lane's number that it does not know.
    strays: BTreeSet<Serial>,
    /// Strays that were given to a waiter or back.
    found: HashSet<Serial>,
}

impl Audit {
    /// Whether a slot that arrives has been looked after already.
    pub(crate) fn has_found(&self, serial: Serial) -> bool {
        self.found.contains(&serial)
    }
}

impl Lane {
    /// Looks for slots that have not come, and, if `thorough`, for all that this lane does not know of.
    pub(crate) fn audit(&mut self, thorough: bool) {
        if is_seeded(Defect::NoAudit) || is_seeded(Defect::DropWakeUp) {
            return;
        }
        for at in 0..self.pools.len() {
            if let Err(error) = self.audit_pool(at, thorough) {
                self.complain("a pool cannot be audited", &error);
            }
        }
    }

    fn audit_pool(&mut self, at: usize, thorough: bool) -> Result<(), FilterError> {
        let Some(pool) = self.pools.get_mut(at) else { return Ok(()) };
        let waits = !pool.waiters.is_empty();
        let seen_before = std::mem::take(&mut pool.audit.late);
        if waits {
            pool.audit.late = pool.served_waiters()?;
        }
        let late: BTreeSet<_> = pool.audit.late.intersection(&seen_before).copied().collect();
        // What was found once is looked for until it is gone.
        if !thorough && late.is_empty() && pool.audit.strays.is_empty() {
            return Ok(());
        }
        let strays = self.strays(at)?;
        let Some(pool) = self.pools.get_mut(at) else { return Ok(()) };
        let known = &pool.audit.strays;
        let lost: Vec<_> = strays.iter().filter(|held| known.contains(&held.serial)).copied().collect();
        if pool.audit.found.len().saturating_add(lost.len()) > FOUND_MAX {
            return Err(FilterError::TooManyStrays);
        }
        pool.audit.found.extend(lost.iter().map(|held| held.serial));
        pool.audit.strays = strays.iter().map(|held| held.serial).collect();
        // Waiters were served in the order of their tickets, and their slots numbered in it.
        let mut late = late.into_iter();
        for held in lost {
            match late.next() {
                Some(ticket) => self.take_up(at, ticket, held)?,
                None => self.release(at, held.serial, Outcome::Abandoned),
            }
        }
        if strays.is_empty() {
            // No slot is on its way to them.
            late.for_each(|ticket| self.rejoin(at, ticket));
        }
        Ok(())
    }

    /// The slots under this lane's number that it does not know of.
    fn strays(&mut self, at: usize) -> Result<Vec<Held>, FilterError> {
        let (Some(enrolment), Some(pool)) = (self.enrolment, self.pools.get_mut(at)) else {
            return Ok(Vec::new());
        };
        let mut held = pool.held(enrolment.lane)?;
        let mut known: HashSet<Serial> = HashSet::new();
        for stream in self.streams.values().filter(|stream| stream.pool == at) {
            if let Phase::Held(held) = &stream.phase {
                known.insert(held.serial);
            }
        }
        known.extend(self.holds.iter().filter(|hold| hold.0.pool == at).map(|hold| hold.0.serial));
        known.extend(self.unreleased.iter().filter(|(pool, ..)| *pool == at).map(|(_, serial, _)| *serial));
        held.retain(|held| !known.contains(&held.serial));
        Ok(held)
    }

    /// Gives a stray slot to the waiter that it was on its way to, under a new number: the message that names the old one
    /// may still turn up, also with whoever looks after this lane if it dies.
    fn take_up(&mut self, at: usize, ticket: Ticket, held: Held) -> Result<(), FilterError> {
        let Some(pool) = self.pools.get_mut(at) else { return Ok(()) };
        let renumbered = pool.shared.transact(|pool| {
            let names_epoch = pool.root().names_epoch();
            Ok(match pool.renumber(held.serial)? {
                Some(serial) => Step::Commit(Some((serial, names_epoch))),
                None => Step::Leave(None),
            })
        })?;
        // Given back meanwhile: the waiter joins the line again with the next audit.
        let Some((serial, names_epoch)) = renumbered else { return Ok(()) };
        let Held { lane, worker, .. } = held;
        pool.audit.astray.remove(&ticket);
        if !self.accept(at, Grant { lane, ticket, worker, serial, names_epoch }) {
            self.release(at, serial, Outcome::Abandoned);
        }
        Ok(())
    }

    /// Puts a waiter that has left the line back into it, at its end, or gives it a slot.
    pub(crate) fn rejoin(&mut self, at: usize, ticket: Ticket) {
        let (Some(enrolment), Some(pool)) = (self.enrolment, self.pools.get_mut(at)) else { return };
        pool.audit.astray.remove(&ticket);
        pool.audit.late.remove(&ticket);
        let Some(context) = pool.waiters.remove(&ticket) else { return };
        let request = TakeRequest {
            lane: enrolment.lane,
            now_ms: host::now_ms(),
            may_wait: true,
            // It had its place before.
            waiting_max: u32::MAX,
        };
        match pool.take(request, |_, _| ()) {
            Ok(taken) => match taken.take {
                Take::Taken { worker, serial } => {
                    pool.waiters.insert(ticket, context);
                    let names_epoch = taken.names_epoch;
                    let grant = Grant { lane: enrolment.lane, ticket, worker, serial, names_epoch };
                    if !self.accept(at, grant) {
                        self.release(at, serial, Outcome::Abandoned);
                    }
                }
                Take::Waiting(ticket) => {
                    pool.waiters.insert(ticket, context);
                    if let Some(stream) = self.streams.get_mut(&context)
                        && let Phase::Waiting { ticket: place, .. } = &mut stream.phase
                    {
                        *place = ticket;
                    }
                }
                Take::Refused(_) => {
                    self.refuse(context, Reason::NoWorkers, RequestOutcome::NoWorkers, taken.standing);
                }
            },
            Err(error) => {
                self.complain("a waiter cannot join the line again", &error);
                self.refuse(context, Reason::Internal, RequestOutcome::Internal, Default::default());
            }
        }
    }
}

impl LanePool {
    /// This lane's waiters that are not in the line any more.
    fn served_waiters(&mut self) -> Result<BTreeSet<Ticket>, FilterError> {
        let (waiters, astray) = (&self.waiters, &self.audit.astray);
        self.shared.look(|pool| {
            let root = pool.root();
            let gone = |ticket: &Ticket| root.is_served(*ticket) || astray.contains(ticket);
            Ok(waiters.keys().copied().filter(gone).collect())
        })
    }

    /// The slots under a lane's number.
    pub(crate) fn held(&mut self, lane: LaneId) -> Result<Vec<Held>, FilterError> {
        self.held_by(|holder| holder == lane)
    }

    /// The slots under the numbers of some lanes.
    pub(crate) fn held_by(&mut self, wanted: impl Fn(LaneId) -> bool) -> Result<Vec<Held>, FilterError> {
        let mut all = Vec::new();
        let mut part = Some(0);
        // From the root to the pages, each by itself: the pool may change meanwhile.
        while let Some(at) = part {
            let (held, next) =
                self.shared.look(|pool| Ok((pool.held(at)?, pool.root().ledger_part_after(at))))?;
            all.extend(held.into_iter().filter(|held| wanted(held.lane)));
            part = next;
        }
        Ok(all)
    }
}
