//! Slots on their way: from whoever frees them to the waiter, and back where there is no waiter any more.

use std::collections::VecDeque;

use slotway_config::headers;
use slotway_engine::{Grant, Outcome, Serial};
use slotway_test_hooks::{CrashPoint, Defect, crash_if_armed, is_seeded};

use crate::{
    abi::{LogLevel, MapType},
    error::FilterError,
    host,
    lane::{Lane, queue_name},
    lane_pool::{LanePool, MarkOwn, Standing, Target},
    mark,
    metrics::RequestOutcome,
    refusal::Reason,
    stream::{Held, Phase},
    wake_up::WakeUp,
};

/// Why a request is refused, and what is said and counted of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    pub(crate) outcome: RequestOutcome,
    pub(crate) standing: Standing,
}

impl Refused {
    /// Its slot cannot be brought to it.
    const INTERNAL: Self = Self {
        reason: Reason::Internal,
        outcome: RequestOutcome::Internal,
        standing: Standing { waiting: 0, expected_wait_ms: None },
    };
}

impl Lane {
    /// Gives a slot back, and brings what that frees to the waiters.
    pub(crate) fn release(&mut self, pool: usize, serial: Serial, outcome: Outcome) {
        let grants = self.give_back(pool, serial, outcome);
        self.deliver(pool, grants);
    }

    /// Makes a transition that may give slots to waiters. Like a request that takes a slot, a waiter of this lane is marked
    /// before it is given one: should this VM die in between, Envoy still tells when its stream is over.
    pub(crate) fn give<R>(
        &mut self,
        pool: usize,
        transition: impl FnOnce(&mut LanePool, &mut MarkOwn<'_>) -> Result<(Vec<Grant>, R), FilterError>,
    ) -> Result<(Vec<Grant>, Option<R>), FilterError> {
        let (Some(enrolment), Some(lane_pool)) = (self.enrolment, self.pools.get_mut(pool)) else {
            return Ok((Vec::new(), None));
        };
        let (lane, current) = (enrolment.lane, self.context);
        let mut marked = Vec::new();
        let made = transition(lane_pool, &mut |pool, waiters, grants| {
            for grant in grants.iter().filter(|grant| grant.lane == lane) {
                if let Some(context) = waiters.get(&grant.ticket) {
                    let _ = host::as_context(current, *context, || mark::put(lane, pool, grant.serial));
                    marked.push((*context, grant.serial));
                }
            }
        });
        let given = |context: u32, serial: Serial| {
            let to = |grant: &Grant| lane_pool.waiters.get(&grant.ticket) == Some(&context);
            made.as_ref()
                .is_ok_and(|(grants, _)| grants.iter().any(|grant| grant.serial == serial && to(grant)))
        };
        for (context, serial) in marked {
            if !given(context, serial) {
                // Another lane was faster, and the slot is another one's.
                let _ = host::as_context(current, context, mark::wipe);
            } else if let Some(stream) = self.streams.get_mut(&context) {
                stream.mark = Some(serial);
            }
        }
        made.map(|(grants, result)| (grants, Some(result)))
    }

    fn give_back(&mut self, pool: usize, serial: Serial, outcome: Outcome) -> Vec<Grant> {
        let now_ms = host::now_ms();
        self.released_ms = now_ms;
        let released = self.give(pool, |pool, mark| Ok((pool.release(serial, outcome, now_ms, mark)?, ())));
        match released {
            Ok((grants, _)) => {
                self.retry.succeed();
                crash_if_armed(CrashPoint::Released);
                grants
            }
            Err(error) => {
                self.retry.fail(self.released_ms);
                self.complain("a slot cannot be given back yet", &error);
                self.unreleased.push((pool, serial, outcome));
                Vec::new()
            }
        }
    }

    /// Brings slots to their waiters. One that cannot be brought is given back, which may free it for the
    /// next waiter.
    pub(crate) fn deliver(&mut self, pool: usize, grants: Vec<Grant>) {
        let mut under_way = VecDeque::from(grants);
        while let Some(grant) = under_way.pop_front() {
            let ours = self.enrolment.is_some_and(|enrolment| enrolment.lane == grant.lane);
            let brought = if ours { self.accept(pool, grant) } else { self.send(pool, grant) };
            if !brought && !is_seeded(Defect::DropUnclaimed) {
                under_way.extend(self.give_back(pool, grant.serial, Outcome::Abandoned));
            }
        }
    }

    /// Hands a slot to another lane.
    fn send(&mut self, pool: usize, grant: Grant) -> bool {
        let Some(name) = self.pools.get(pool).map(|pool| pool.settings.name.as_str().to_owned()) else {
            return false;
        };
        let queue = match self.queues.get(&grant.lane) {
            Some(queue) => Ok(*queue),
            // An empty vm_id is our own.
            None => host::resolve_queue("", &queue_name(grant.lane)),
        };
        let sent = queue.and_then(|queue| {
            self.queues.insert(grant.lane, queue);
            host::enqueue(queue, &WakeUp { pool: name, grant }.encode())
        });
        if let Err(error) = sent {
            self.queues.remove(&grant.lane);
            self.complain(&format!("lane {} cannot be woken", grant.lane), &error.into());
        }
        sent.is_ok()
    }

    /// Takes in every slot that other lanes have sent.
    pub(crate) fn on_wake_up(&mut self) {
        let Some(enrolment) = self.enrolment else { return };
        loop {
            match host::dequeue(enrolment.queue) {
                Ok(Some(message)) => self.take_in(&message),
                Ok(None) => break,
                Err(error) => {
                    self.complain("the wake-up queue cannot be read", &error.into());
                    break;
                }
            }
        }
        self.drain_estates();
        if self.take_in_ends() {
            self.recover(&[], host::now_ms());
        }
    }

    fn take_in(&mut self, message: &[u8]) {
        let Some(wake_up) = WakeUp::decode(message) else {
            host::log(LogLevel::Error, "slotway: a wake-up cannot be read");
            return;
        };
        let Some(pool) = self.pool_named(&wake_up.pool) else {
            host::log(LogLevel::Error, "slotway: a wake-up for an unknown pool");
            return;
        };
        let found = self.pools.get(pool).is_some_and(|pool| pool.audit.has_found(wake_up.grant.serial));
        if !found && !is_seeded(Defect::DropWakeUp) {
            self.deliver(pool, vec![wake_up.grant]);
        }
    }

    /// Gives a slot to its waiter. `false` where the waiter has gone: the slot must go back.
    pub(crate) fn accept(&mut self, pool: usize, grant: Grant) -> bool {
        let Some(lane_pool) = self.pools.get_mut(pool) else { return false };
        let Some(context) = lane_pool.waiters.remove(&grant.ticket) else { return false };
        let target = match lane_pool.target(grant.worker, grant.names_epoch) {
            Ok(target) => target,
            Err(error) => {
                self.complain("a slot's worker is not known", &error);
                self.refuse_apart(context, Refused::INTERNAL);
                return false;
            }
        };
        let Some(stream) = self.streams.get_mut(&context) else { return false };
        let now_ms = host::now_ms();
        let waited_ms = now_ms.saturating_sub(stream.since_ms);
        stream.waited_ms = waited_ms;
        let held = Held { serial: grant.serial, target };
        let is_marked = stream.mark.replace(grant.serial) == Some(grant.serial);
        self.note_wait(pool, waited_ms, now_ms);
        let resumed = self.as_context(context, || {
            if let (false, Some(pool)) = (is_marked, self.pools.get(pool)) {
                mark::put(grant.lane, &pool.settings.name, grant.serial);
            }
            self.address(pool, &held.target, waited_ms)?;
            Ok::<_, FilterError>(host::resume_request()?)
        });
        if let Ok(Ok(())) = resumed {
            if let Some(stream) = self.streams.get_mut(&context) {
                stream.phase = Phase::Held(held);
            }
            return true;
        }
        // The stream has gone, and its end was not told yet; were it still there, it would wait for ever.
        self.refuse_apart(context, Refused::INTERNAL);
        false
    }

    /// Refuses a stream that may be another one than that whose callback is running. The host would take the refusal for that one's, and
    /// stop it (`stopNextIteration` of proxy-wasm-cpp-host); so it has to wait for the next tick then.
    pub(crate) fn refuse_apart(&mut self, context: u32, refused: Refused) {
        let Refused { reason, outcome, standing } = refused;
        if self.context == self.root || self.context == context {
            return self.refuse(context, reason, outcome, standing);
        }
        if let Some(stream) = self.streams.get_mut(&context) {
            stream.phase = Phase::Done;
            self.put_off.push((context, refused));
        }
    }

    /// Sends the refusals that had to wait.
    pub(crate) fn refuse_put_off(&mut self) {
        for (context, Refused { reason, outcome, standing }) in std::mem::take(&mut self.put_off) {
            self.refuse(context, reason, outcome, standing);
        }
    }

    /// Sends the current request to a worker: names its cluster for the route, and tells the router how long the answer
    /// may take. A base URL's path is the route's business, which Envoy chooses by the path after this filter has run.
    pub(crate) fn address(&self, pool: usize, target: &Target, waited_ms: u64) -> Result<(), FilterError> {
        crash_if_armed(CrashPoint::Taken);
        let limit_ms = self.pools.get(pool).map_or("", |pool| &pool.answer_timeout_ms);
        if !limit_ms.is_empty() {
            host::replace_header(MapType::HttpRequestHeaders, headers::ANSWER_TIMEOUT_MS, limit_ms)?;
        }
        host::replace_header(MapType::HttpRequestHeaders, headers::WORKER, target.url.as_str())?;
        if self.settings.as_ref().is_some_and(|settings| settings.access_log_fields) {
            // What is logged if nothing else becomes known.
            let outcome = RequestOutcome::GoneRunning.word();
            set_log_fields(Some(target), waited_ms, outcome);
        }
        Ok(())
    }
}

/// Sets the access log's fields of the current stream.
pub(crate) fn set_log_fields(target: Option<&Target>, waited_ms: u64, outcome: &str) {
    if let Some(target) = target {
        let _ = host::set_property("slotway.worker", target.url.as_str().as_bytes());
    }
    let _ = host::set_property("slotway.wait_ms", waited_ms.to_string().as_bytes());
    let _ = host::set_property("slotway.outcome", outcome.as_bytes());
}
