//! Recovery from the death of lanes.
//!
//! Every lane shows that it lives ([`liveness`]), and checks that it knows each slot under its number ([`audit`]). The lane
//! that reports also recovers what dead lanes have left: waiters, messages and slots ([`dead_lanes`], [`ended_requests`]).
//! Each step can be done twice, by two lanes at once, and to a lane that was only stalled.

mod audit;
mod dead_lanes;
mod ended_requests;
mod liveness;

use slotway_engine::Serial;
use slotway_test_hooks::{Defect, is_seeded};

pub(crate) use ended_requests::QUEUE as ENDED_REQUESTS_QUEUE;

use crate::{
    error::FilterError,
    grants::Grants,
    host::Host,
    lane_core::{Enrolment, LaneCore},
    pools::PoolIndex,
    requests::{Leave, Requests},
    shared_state::LaneTable,
    wake_up::queue_name,
};
use audit::Audits;
use dead_lanes::DeadLanes;
use ended_requests::EndedRequests;
use liveness::{BEATS_PER_LEASE, LaneLiveness};

/// How soon a beat that the host refused is tried again, in milliseconds.
const BEAT_RETRY_MS: u64 = 100;

/// One lane's part in the recovery.
#[derive(Default)]
pub(crate) struct Recovery {
    /// When the next beat is due.
    beat_at_ms: u64,
    /// [`LaneCore::hold_ms_max`] as the table of lanes has it.
    announced_hold_ms_max: u64,
    liveness: LaneLiveness,
    audits: Audits,
    dead_lanes: DeadLanes,
    ended_requests: EndedRequests,
}

impl Recovery {
    /// Returns when the next beat is due.
    pub(crate) fn due_ms(&self) -> u64 {
        self.beat_at_ms
    }

    /// Returns whether the audit has found a slot whose message may still come.
    pub(crate) fn has_found(&self, pool: PoolIndex, serial: Serial) -> bool {
        self.audits.has_found(pool, serial)
    }

    /// Joins the other lanes: takes a number and enters the table of lanes.
    pub(crate) fn enrol<H: Host>(&mut self, core: &mut LaneCore<H>) -> Result<(), FilterError> {
        let hold_ms_max = core.hold_ms_max;
        let enrolled = LaneTable::update(&core.host, |table| table.enrol(core.host.now_ms(), hold_ms_max))?;
        core.enrolment = Some(Enrolment { lane: enrolled.0, wake_up_queue: 0 });
        self.announced_hold_ms_max = hold_ms_max;
        Ok(())
    }

    /// Announces, before this lane takes another slot, for how long its requests can hold slots. If the lane dies before its
    /// next beat, its slots are released after that time.
    pub(crate) fn announce_hold_bound<H: Host>(&mut self, core: &LaneCore<H>) -> Result<(), FilterError> {
        let Some(lane) = core.lane() else { return Ok(()) };
        if core.hold_ms_max > self.announced_hold_ms_max {
            LaneTable::update(&core.host, |table| {
                table.raise_hold_bound(lane, core.hold_ms_max);
                Ok(())
            })?;
            self.announced_hold_ms_max = core.hold_ms_max;
        }
        Ok(())
    }

    /// Registers the newest root context as the one that this lane's messages wake.
    pub(crate) fn register_queues<H: Host>(&mut self, core: &mut LaneCore<H>) {
        let Some(lane) = core.lane() else { return };
        match core.register_queue(&queue_name(lane)) {
            Ok(wake_up_queue) => core.enrolment = Some(Enrolment { lane, wake_up_queue }),
            Err(error) => core.log_error("no wake-up queue", &error.into()),
        }
        if self.ended_requests.is_registered() {
            self.ended_requests.register(core);
        }
    }

    /// Makes this lane the one that the witness tells of ended requests.
    pub(crate) fn listen_for_ended_requests<H: Host>(&mut self, core: &LaneCore<H>) {
        self.ended_requests.register(core);
    }

    /// Receives what came for dead lanes, and what the witness has told.
    pub(crate) fn on_wake_up<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
        is_reporter: bool,
    ) {
        self.dead_lanes.drain_queues(core, requests, grants);
        if !is_reporter {
            return;
        }
        let is_recovered = |lane| self.dead_lanes.contains(lane);
        if self.ended_requests.receive(core, requests, grants, is_recovered) {
            let now_ms = core.host.now_ms();
            self.dead_lanes.recover(core, requests, grants, &mut self.ended_requests, &[], now_ms);
        }
    }

    /// Shows that this lane lives, if it is time to, and looks after what other lanes have left.
    pub(crate) fn beat<H: Host>(
        &mut self,
        core: &mut LaneCore<H>,
        requests: &mut Requests,
        grants: &mut Grants,
        now_ms: u64,
        is_reporter: bool,
    ) {
        let (Some(settings), Some(lane)) = (&core.settings, core.lane()) else { return };
        if self.beat_at_ms > now_ms {
            return;
        }
        self.beat_at_ms = now_ms.saturating_add(settings.coordinator.lane_lease_ms / BEATS_PER_LEASE);
        core.pools.iter_mut().for_each(|pool| pool.forget_image());
        let hold_ms_max = core.hold_ms_max;
        let beaten = LaneTable::update(&core.host, |table| Ok(table.beat(lane, now_ms, hold_ms_max)));
        let (was_declared_dead, table) = match beaten {
            Ok(beaten) => beaten,
            Err(error) => {
                self.beat_at_ms = now_ms.saturating_add(BEAT_RETRY_MS);
                return core.log_error("this lane cannot show that it lives", &error);
            }
        };
        if was_declared_dead {
            self.rejoin(core, requests, grants);
        }
        let silent = self.liveness.observe(lane, &table);
        let has_dead = table.lanes.iter().any(|entry| entry.is_dead);
        let is_thorough = has_dead || !silent.is_empty() || self.liveness.has_missed_beats();
        if !is_seeded(Defect::NoAudit) && !is_seeded(Defect::DropWakeUp) {
            self.audits.audit(core, requests, grants, is_thorough);
        }
        if is_reporter {
            self.dead_lanes.recover(core, requests, grants, &mut self.ended_requests, &silent, now_ms);
        }
    }

    /// Brings this lane's waiters back into the line, after the lane was declared dead though it was only stalled: its
    /// waiters may have been taken out.
    fn rejoin<H: Host>(&mut self, core: &mut LaneCore<H>, requests: &mut Requests, grants: &mut Grants) {
        self.register_queues(core);
        for index in core.pools.indexes() {
            let Some(pool) = core.pools.get(index) else { continue };
            let tickets: Vec<_> = pool.waiters.keys().copied().collect();
            for ticket in tickets {
                match requests.leave_line(core, index, ticket) {
                    Leave::Left(_) => self.audits.rejoin(core, requests, grants, index, ticket),
                    // A slot may be on its way. If none is, the audit finds out.
                    Leave::Granted | Leave::Failed => self.audits.add_unqueued(index, ticket),
                }
            }
        }
    }
}
