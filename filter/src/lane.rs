//! One Envoy worker thread's VM: the components of a lane, and the callbacks that reach them.

mod configuration;
#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
mod timer;

#[cfg(test)]
use slotway_engine::LaneId;
use slotway_policy::LocalReplyReason;
use slotway_test_hooks::{Defect, invariant, is_seeded};

use crate::{
    activation::activate,
    grants::{Grants, Until},
    host::Host,
    lane_core::LaneCore,
    recovery::Recovery,
    reporting::{Reporting, Turn},
    requests::{Admission, EndedSlot, Requests},
};
use timer::Timer;

/// One Envoy worker thread's VM.
pub(crate) struct Lane<H: Host> {
    core: LaneCore<H>,
    requests: Requests,
    grants: Grants,
    recovery: Recovery,
    reporting: Reporting,
    timer: Timer,
    /// The newest configuration is not in force yet, and its root context is not registered for messages.
    has_new_root: bool,
}

impl<H: Host> Lane<H> {
    pub(crate) fn new(host: H) -> Self {
        Self {
            core: LaneCore::new(host),
            requests: Requests::default(),
            grants: Grants::default(),
            recovery: Recovery::default(),
            reporting: Reporting::default(),
            timer: Timer::default(),
            has_new_root: false,
        }
    }

    /// Begins a callback of a context.
    pub(crate) fn begin_callback(&mut self, context: u32) {
        self.core.context = context;
    }

    /// Ends a callback: sets the timer, if something is due sooner than before.
    pub(crate) fn end_callback(&mut self) {
        invariant!(self.requests.agree_with_pools(&self.core), "each waiting stream is a waiter of its pool");
        self.schedule();
    }

    /// Returns whether a context is the one whose timer and messages are this lane's.
    pub(crate) fn is_root(&self, context: u32) -> bool {
        self.core.root == context
    }

    /// Handles a new request. `true` lets it continue; else it waits, or got a local reply.
    pub(crate) fn on_request(&mut self, context: u32) -> bool {
        let settings = self.core.settings.clone().filter(|_| self.join());
        let (Some(settings), Some(lane)) = (settings, self.core.lane()) else {
            self.requests.reply_without_pool(&self.core, context, LocalReplyReason::Internal);
            return false;
        };
        match self.requests.admit(&mut self.core, context, &settings, lane) {
            Admission::Forwarded => true,
            Admission::Stopped => false,
            Admission::Failed(slot) => {
                self.settle(Some(slot));
                false
            }
        }
    }

    /// Returns whether a stream of that context has not ended.
    pub(crate) fn has_stream(&self, context: u32) -> bool {
        self.requests.contains(context)
    }

    /// Handles the beginning of an answer: the worker's, or Envoy's in its place.
    pub(crate) fn on_answer_headers(&mut self, context: u32, ends: bool) {
        let slot = self.requests.answer_begins(&mut self.core, context, ends);
        self.settle(slot);
    }

    /// Handles a chunk of an answer's body.
    pub(crate) fn on_answer_body(&mut self, context: u32, size: usize, ends: bool) {
        let slot = self.requests.answer_body(&mut self.core, context, size, ends);
        self.settle(slot);
    }

    /// Handles the end of an answer.
    pub(crate) fn on_answer_end(&mut self, context: u32) {
        let slot = self.requests.answer_ends(&mut self.core, context);
        self.settle(slot);
    }

    /// Handles the end of a stream.
    pub(crate) fn on_stream_end(&mut self, context: u32) {
        let slot = self.requests.end(&mut self.core, context, self.grants.released_ms());
        self.settle(slot);
    }

    fn settle(&mut self, slot: Option<EndedSlot>) {
        if let Some(slot) = slot {
            self.grants.settle(&mut self.core, &mut self.requests, slot);
        }
    }

    /// Handles messages: a slot for a waiter of this lane or of a dead lane, or a message of the witness.
    pub(crate) fn on_wake_up(&mut self) {
        self.read_queues(Until::LastClosed);
    }

    fn read_queues(&mut self, until: Until) {
        let Self { core, requests, grants, recovery, reporting, .. } = self;
        let Some(enrolment) = core.enrolment else { return };
        grants.release_closed(core, requests);
        let queue = enrolment.wake_up_queue;
        let is_known = |pool, serial| recovery.has_found(pool, serial);
        let has_more = grants.receive(core, requests, queue, until, is_known);
        requests.send_pending_replies(core);
        if has_more {
            return;
        }
        recovery.on_wake_up(core, requests, grants, reporting.is_reporter());
    }

    /// Handles a tick of the timer.
    pub(crate) fn on_tick(&mut self) {
        self.timer_fired();
        if !self.join() {
            return;
        }
        // A wake-up may have been lost with an older root context.
        self.read_queues(Until::Empty);
        let Self { core, requests, grants, recovery, reporting, .. } = self;
        grants.forget_unread();
        grants.retry_releases(core, requests);
        requests.retry_leaving(core);
        let now_ms = core.host.now_ms();
        requests.end_late_waits(core, now_ms);
        grants.end_holds(core, requests, now_ms);
        grants.probe(core, requests, now_ms);
        recovery.beat(core, requests, grants, now_ms, reporting.is_reporter());
        core.pools.flush_if_due(now_ms);
        if let Some(turn) = reporting.take_turn(core, now_ms) {
            if turn == Turn::First {
                recovery.listen_for_ended_requests(core);
            }
            reporting.report(core, now_ms);
        }
    }

    /// Handles the answer to a report, or its failure.
    pub(crate) fn on_report_answered(&mut self, call: u32) {
        self.reporting.on_answer(&self.core, call);
    }

    /// Makes sure that this VM is a lane, with its newest configuration in force. `false` where it cannot be one.
    fn join(&mut self) -> bool {
        if self.core.enrolment.is_some() {
            return !self.has_new_root || self.join_with_new_root();
        }
        if self.core.settings.is_none() {
            return false;
        }
        match self.recovery.enrol(&mut self.core) {
            Ok(()) => {
                self.activate();
                true
            }
            Err(error) => {
                self.core.log_error("this lane cannot join the others", &error);
                false
            }
        }
    }

    fn join_with_new_root(&mut self) -> bool {
        if let Err(error) = self.recovery.announce_hold_bound(&self.core) {
            self.core.log_error("the other lanes cannot be told of this lane's configuration", &error);
            return false;
        }
        self.has_new_root = false;
        self.activate();
        true
    }

    /// Registers the newest root context for messages, and puts the newest configuration in force.
    fn activate(&mut self) {
        let is_registered = self.core.enrolment.is_some_and(|enrolment| enrolment.wake_up_queue != 0);
        if !(is_registered && is_seeded(Defect::OldRootWoken)) {
            self.recovery.register_queues(&mut self.core);
        }
        self.core.share_pool_names();
        activate(&mut self.core, &mut self.requests, &mut self.grants);
        self.reporting.report_soon();
    }

    /// Returns this lane's number, for tests.
    #[cfg(test)]
    pub(crate) fn number(&self) -> Option<LaneId> {
        self.core.lane()
    }
}
