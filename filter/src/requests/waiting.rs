//! Waiters: deadlines, and leaving the line.

use std::cmp::Reverse;

use slotway_engine::Ticket;
use slotway_policy::{LineStatus, LocalReplyReason};
use slotway_test_hooks::{Defect, is_seeded};

use super::{Phase, Requests};
use crate::{host::Host, lane_core::LaneCore, pools::PoolIndex};

/// How long after its deadline a waiter waits for a slot that is on its way to it, in milliseconds. A slot takes
/// microseconds, unless the lane that sent it has died.
const GRANT_UNDER_WAY_MS: u64 = 1_000;

/// The result of leaving the line.
#[derive(Debug)]
pub(crate) enum Leave {
    /// The waiter has left.
    Left(LineStatus),
    /// The waiter has been given a slot, which is on its way to this lane.
    Granted,
    /// A host call failed, and is tried again. A slot that the waiter is given meanwhile is released.
    Failed,
}

impl Requests {
    /// Takes a waiter out of the line.
    pub(crate) fn leave_line<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        pool: PoolIndex,
        ticket: Ticket,
    ) -> Leave {
        let (Some(lane), Some(lane_pool)) = (core.lane(), core.pools.get_mut(pool)) else {
            return Leave::Failed;
        };
        match lane_pool.cancel(lane, ticket) {
            Ok((true, line)) => Leave::Left(line),
            Ok((false, _)) => Leave::Granted,
            Err(error) => {
                core.log_error("a waiter cannot leave the line", &error);
                self.retry.fail(core.host.now_ms());
                self.unleft.push((pool, ticket));
                Leave::Failed
            }
        }
    }

    /// Takes the waiters out of the line that a failed host call has left in it.
    pub(crate) fn retry_leaving<H: Host>(&mut self, core: &mut LaneCore<H>) {
        if self.unleft.is_empty() || self.retry.at_ms() > core.host.now_ms() {
            return;
        }
        for (pool, ticket) in std::mem::take(&mut self.unleft) {
            self.leave_line(core, pool, ticket);
        }
        if self.unleft.is_empty() {
            self.retry.succeed();
        }
    }

    /// Replies to the waiters whose deadline has come.
    pub(crate) fn end_late_waits<H: Host>(&mut self, core: &mut LaneCore<H>, now_ms: u64) {
        if is_seeded(Defect::NoDeadline) {
            self.deadlines.clear();
        }
        while let Some(Reverse((at_ms, context))) = self.deadlines.peek().copied() {
            if at_ms > now_ms {
                break;
            }
            self.deadlines.pop();
            let Some(stream) = self.streams.get(&context) else { continue };
            let Phase::Waiting { ticket, deadline_ms } = stream.phase else { continue };
            let pool = stream.pool;
            let line = match self.leave_line(core, pool, ticket) {
                Leave::Left(line) => line,
                Leave::Granted if at_ms == deadline_ms => {
                    let last_ms = deadline_ms.saturating_add(GRANT_UNDER_WAY_MS);
                    self.deadlines.push(Reverse((last_ms, context)));
                    continue;
                }
                Leave::Granted | Leave::Failed => LineStatus::default(),
            };
            self.refuse_waiter(core, pool, ticket, context, LocalReplyReason::WaitTimeout, line);
        }
    }

    /// Replies to all waiters of a pool that has lost its last worker.
    pub(crate) fn end_waits_without_workers<H: Host>(&mut self, core: &mut LaneCore<H>, pool: PoolIndex) {
        let Some(lane_pool) = core.pools.get(pool) else { return };
        let waiters: Vec<_> = lane_pool.waiters.iter().map(|(ticket, context)| (*ticket, *context)).collect();
        for (ticket, context) in waiters {
            if let Leave::Left(line) = self.leave_line(core, pool, ticket) {
                self.refuse_waiter(core, pool, ticket, context, LocalReplyReason::NoWorkers, line);
            }
        }
    }

    fn refuse_waiter<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        pool: PoolIndex,
        ticket: Ticket,
        context: u32,
        reason: LocalReplyReason,
        line: LineStatus,
    ) {
        if let Some(pool) = core.pools.get_mut(pool) {
            pool.waiters.remove(&ticket);
        }
        self.refuse(core, context, reason, line);
    }
}
