//! What is due at a time: deadlines, holds, probes, and what had to be put off.

use std::{cmp::Reverse, time::Duration};

use slotway_engine::Outcome;
use slotway_test_hooks::{Defect, is_seeded};

use crate::{
    grants::Refused, host, lane::Lane, lane_pool::Standing, metrics::RequestOutcome, refusal::Reason,
    request::Leave, stream::Phase,
};

/// How long after its deadline a waiter waits for a slot that is on its way to it. It takes microseconds,
/// unless the lane that sent it has died meanwhile.
const GRANT_UNDER_WAY_MS: u64 = 1_000;

impl Lane {
    /// The timer has fired.
    pub(crate) fn on_tick(&mut self) {
        if self.context != self.root && self.settings.is_some() {
            // An older root context, which lives on until its last stream ends: the newest one's timer is enough.
            let _ = host::set_tick_period(Duration::ZERO);
        }
        self.disarm();
        if !self.enrol() {
            return;
        }
        // A wake-up may have been dropped with an older root context.
        self.on_wake_up();
        if self.retry.at_ms() <= host::now_ms() {
            for (pool, serial, outcome) in std::mem::take(&mut self.unreleased) {
                self.release(pool, serial, outcome);
            }
            for (pool, ticket) in std::mem::take(&mut self.unleft) {
                self.leave_line(pool, ticket);
            }
        }
        self.refuse_put_off();
        let now_ms = host::now_ms();
        self.refuse_late(now_ms);
        self.end_holds(now_ms);
        self.probe(now_ms);
        self.beat(now_ms);
        if self.flush_at_ms.is_some_and(|due_ms| due_ms <= now_ms) {
            self.flush_at_ms = None;
            self.pools
                .iter_mut()
                .filter(|pool| pool.metrics.is_pending())
                .for_each(|pool| pool.metrics.flush());
        }
        self.report(now_ms);
    }

    /// Refuses the waiters whose deadline has come.
    fn refuse_late(&mut self, now_ms: u64) {
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
            let standing = match self.leave_line(pool, ticket) {
                Leave::Left(standing) => standing,
                Leave::Granted if at_ms == deadline_ms => {
                    let last_ms = deadline_ms.saturating_add(GRANT_UNDER_WAY_MS);
                    self.deadlines.push(Reverse((last_ms, context)));
                    continue;
                }
                Leave::Granted | Leave::Failed => Standing::default(),
            };
            self.refuse_waiter(pool, ticket, context, Reason::WaitTimeout, standing);
        }
    }

    fn refuse_waiter(&mut self, pool: usize, ticket: u64, context: u32, reason: Reason, standing: Standing) {
        if let Some(pool) = self.pools.get_mut(pool) {
            pool.waiters.remove(&ticket);
        }
        let outcome = match reason {
            Reason::NoWorkers => RequestOutcome::NoWorkers,
            _ => RequestOutcome::WaitTimeout,
        };
        self.refuse_apart(context, Refused { reason, outcome, standing });
    }

    fn end_holds(&mut self, now_ms: u64) {
        while let Some(Reverse(hold)) =
            self.holds.peek().copied().filter(|Reverse(hold)| hold.until_ms <= now_ms)
        {
            self.holds.pop();
            self.release(hold.pool, hold.serial, Outcome::Abandoned);
        }
    }

    /// Tries parked workers that are due.
    fn probe(&mut self, now_ms: u64) {
        for at in 0..self.pools.len() {
            let Some(pool) = self.pools.get(at) else { continue };
            if pool.probe_at_ms.is_none_or(|due_ms| due_ms > now_ms) {
                continue;
            }
            match self.give(at, |pool, mark| Ok((pool.probe(now_ms, mark)?, ()))) {
                Ok((grants, _)) => self.deliver(at, grants),
                Err(error) => {
                    // Later, so that a host that refuses is not asked all the time.
                    if let Some(pool) = self.pools.get_mut(at) {
                        pool.probe_at_ms = Some(now_ms.saturating_add(slotway_engine::PROBE_FIRST_MS));
                    }
                    self.complain("parked workers cannot be tried", &error);
                }
            }
        }
    }

    /// Puts the newest configuration in force over all lanes, if no other lane has.
    pub(crate) fn reconcile(&mut self) {
        let Some(generation) = self.settings.as_ref().map(|settings| settings.generation) else { return };
        for at in 0..self.pools.len() {
            loop {
                let now_ms = host::now_ms();
                match self.give(at, |pool, mark| pool.reconcile(generation, now_ms, mark)) {
                    Ok((grants, result)) => {
                        self.deliver(at, grants);
                        let Some((done, capacity)) = result else { break };
                        if done {
                            self.refuse_without_workers(at, capacity);
                            break;
                        }
                    }
                    Err(error) => {
                        self.complain("a configuration cannot be put in force", &error);
                        break;
                    }
                }
            }
        }
    }

    /// Nobody waits for nothing: with the last worker gone, this lane's waiters are told.
    fn refuse_without_workers(&mut self, at: usize, capacity: u32) {
        let Some(pool) = self.pools.get(at).filter(|_| capacity == 0) else { return };
        let waiters: Vec<_> = pool.waiters.iter().map(|(ticket, context)| (*ticket, *context)).collect();
        for (ticket, context) in waiters {
            if let Leave::Left(standing) = self.leave_line(at, ticket) {
                self.refuse_waiter(at, ticket, context, Reason::NoWorkers, standing);
            }
        }
    }
}
