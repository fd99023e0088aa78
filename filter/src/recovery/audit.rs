//! The audit of a lane: it checks that it knows each slot under its number in the ledger, and that each waiter that was
//! granted a slot gets it.
//!
//! A slot on its way is in the ledger, under the number of its receiver, before the message is sent. If the sender dies in
//! between, the receiver alone can find the slot. So:
//!
//! * a waiter that was served, and whose slot has not come by the next beat, gets a slot that the audit finds;
//! * a slot for which no waiter is left is released;
//! * a waiter for which there is no slot joins the line again. It was taken out while this lane was declared dead.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use slotway_engine::{Grant, LedgerEntry, ReleaseOutcome, Serial, Take, TakeRequest, Ticket};
use slotway_policy::{LineStatus, LocalReplyReason};

use crate::{
    error::FilterError,
    grants::{Grants, accept},
    host::Host,
    lane_core::LaneCore,
    pools::PoolIndex,
    requests::Requests,
};

/// Most slots, found in the ledger, whose message may still come. They are remembered, so that the message changes nothing.
const FOUND_MAX: usize = 4_096;

/// The audit of one pool.
#[derive(Debug, Default)]
struct PoolAudit {
    /// Waiters that left the line while this lane was declared dead, with a slot or without.
    unqueued: BTreeSet<Ticket>,
    /// Waiters that were served, and had no slot yet at the last audit.
    late: BTreeSet<Ticket>,
    /// Slots under this lane's number that it did not know at the last audit.
    unknown: BTreeSet<Serial>,
    /// Unknown slots that were given to a waiter, or released.
    found: HashSet<Serial>,
}

/// The audits of all pools.
#[derive(Debug, Default)]
pub(super) struct Audits {
    pools: BTreeMap<PoolIndex, PoolAudit>,
}

impl Audits {
    /// Returns whether an audit has found this slot already.
    pub(super) fn has_found(&self, pool: PoolIndex, serial: Serial) -> bool {
        self.pools.get(&pool).is_some_and(|audit| audit.found.contains(&serial))
    }

    /// Notes that a waiter may not be in the line any more.
    pub(super) fn add_unqueued(&mut self, pool: PoolIndex, ticket: Ticket) {
        self.pools.entry(pool).or_default().unqueued.insert(ticket);
    }

    /// Looks for slots that have not come, and, if `is_thorough`, for all slots that this lane does not know.
    pub(super) fn audit<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
        is_thorough: bool,
    ) {
        for pool in core.pools.indexes() {
            if let Err(error) = self.audit_pool(core, requests, grants, pool, is_thorough) {
                core.log_error("a pool cannot be audited", &error);
            }
        }
    }

    fn audit_pool<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
        index: PoolIndex,
        is_thorough: bool,
    ) -> Result<(), FilterError> {
        let Some(pool) = core.pools.get_mut(index) else { return Ok(()) };
        let audit = self.pools.entry(index).or_default();
        let late_before = std::mem::take(&mut audit.late);
        if !pool.waiters.is_empty() {
            audit.late = pool.waiters_past_line(&audit.unqueued)?;
        }
        let late: BTreeSet<_> = audit.late.intersection(&late_before).copied().collect();
        // A slot that was unknown once is looked for until it is gone.
        if !is_thorough && late.is_empty() && audit.unknown.is_empty() {
            return Ok(());
        }
        let unknown = unknown_slots(core, requests, grants, index)?;
        let lost: Vec<_> =
            unknown.iter().filter(|entry| audit.unknown.contains(&entry.serial)).copied().collect();
        if audit.found.len().saturating_add(lost.len()) > FOUND_MAX {
            return Err(FilterError::TooManyUnknownSlots);
        }
        audit.found.extend(lost.iter().map(|entry| entry.serial));
        audit.unknown = unknown.iter().map(|entry| entry.serial).collect();
        // Waiters were served in the order of their tickets, and their slots got serials in the same order.
        let mut late = late.into_iter();
        for entry in lost {
            match late.next() {
                Some(ticket) => self.take_up(core, requests, grants, index, ticket, entry)?,
                None => {
                    grants.release(core, requests, index, entry.serial, ReleaseOutcome::Abandoned);
                }
            }
        }
        if unknown.is_empty() {
            // No slot is on its way to these waiters.
            late.for_each(|ticket| self.rejoin(core, requests, grants, index, ticket));
        }
        Ok(())
    }

    /// Gives a found slot to the waiter that it was on its way to, under a new serial. The message with the old serial may
    /// still come, also to the lane that recovers this one if it dies.
    fn take_up<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
        index: PoolIndex,
        ticket: Ticket,
        entry: LedgerEntry,
    ) -> Result<(), FilterError> {
        let Some(pool) = core.pools.get_mut(index) else { return Ok(()) };
        // Where the slot was released meanwhile, the waiter joins the line again with the next audit.
        let Some((serial, names_epoch)) = pool.renumber(entry.serial)? else { return Ok(()) };
        let LedgerEntry { lane, worker, .. } = entry;
        self.pools.entry(index).or_default().unqueued.remove(&ticket);
        if !accept(core, requests, index, Grant { lane, ticket, worker, serial, names_epoch }) {
            grants.release(core, requests, index, serial, ReleaseOutcome::Abandoned);
        }
        Ok(())
    }

    /// Puts a waiter that is not in the line back into it, at its end, or gives it a slot.
    pub(super) fn rejoin<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
        index: PoolIndex,
        ticket: Ticket,
    ) {
        let now_ms = core.host.now_ms();
        let (Some(lane), Some(pool)) = (core.lane(), core.pools.get_mut(index)) else { return };
        let audit = self.pools.entry(index).or_default();
        audit.unqueued.remove(&ticket);
        audit.late.remove(&ticket);
        let Some(context) = pool.waiters.remove(&ticket) else { return };
        // The waiter has had its place before, so that `max_waiting` does not count.
        let request = TakeRequest { lane, now_ms, may_wait: true, waiting_max: u32::MAX };
        let taken = match pool.take(request, |_, _| ()) {
            Ok(taken) => taken,
            Err(error) => {
                core.log_error("a waiter cannot join the line again", &error);
                return requests.refuse(core, context, LocalReplyReason::Internal, LineStatus::default());
            }
        };
        match taken.take {
            Take::Taken { worker, serial } => {
                pool.waiters.insert(ticket, context);
                let grant = Grant { lane, ticket, worker, serial, names_epoch: taken.names_epoch };
                if !accept(core, requests, index, grant) {
                    grants.release(core, requests, index, serial, ReleaseOutcome::Abandoned);
                }
            }
            Take::Waiting(new) => {
                pool.waiters.insert(new, context);
                requests.set_ticket(context, new);
            }
            Take::Refused(_) => requests.refuse(core, context, LocalReplyReason::NoWorkers, taken.line),
        }
    }
}

/// Returns the slots under this lane's number that it does not know.
fn unknown_slots<H: Host>(
    core: &mut LaneCore<H>,
    requests: &Requests,
    grants: &Grants,
    index: PoolIndex,
) -> Result<Vec<LedgerEntry>, FilterError> {
    let (Some(lane), Some(pool)) = (core.lane(), core.pools.get_mut(index)) else {
        return Ok(Vec::new());
    };
    let mut entries = pool.slots_of(|of| of == lane)?;
    let known: HashSet<Serial> = requests.held_serials(index).chain(grants.pending_serials(index)).collect();
    entries.retain(|entry| !known.contains(&entry.serial));
    Ok(entries)
}
