//! Checks after each step: what can be observed from outside.

use std::collections::BTreeSet;

use crate::{
    HostError,
    host::{CallAnswer, Context, LaneIndex, StreamId, VmId, VmThread, WorkerFailure},
    sim::{
        agenda::What,
        client::{Client, Part, Stage},
        configs::pool_name,
        coverage::Kind,
        run::{NS_PER_MS, NS_PER_US, Run},
        violation::{Check, violated},
    },
};

/// The prefix of a lane's wake-up queue; the number of the lane follows.
const LANE_QUEUE: &[u8] = b"slotway/1/lane/";
/// The `proxy_log` level from which a line reports a failure.
const ERROR: u32 = 4;

impl Run {
    /// Checks the shared state after the newest host call.
    pub(crate) fn check_state(&mut self, lane: LaneIndex) -> Check {
        let (watch, configs, fleet, coverage) =
            (&mut self.watch, &self.configs, &mut self.fleet, &mut self.coverage);
        let transition = self.host.inspect(|process| watch.look(&process.data, configs, fleet, coverage))?;
        let Some(transition) = transition else { return Ok(()) };
        self.lanes[lane.0].committed = true;
        if let Some(view) = self.watch.view(transition.pool) {
            self.note(|| format!("      {view}"));
        }
        let opening = self.lanes[lane.0].opening.and_then(|stream| self.clients.get_mut(&stream));
        if let Some(client) = opening
            && transition.waiting_after > transition.waiting_before
            && client.pool == Some(transition.pool)
        {
            client.waits = true;
            self.coverage.note(Kind::Waited);
            let (waiting, most) = (transition.waiting_after, self.waiting_max[transition.pool]);
            // Waiters that were removed while their lane was declared dead join the line again.
            if waiting > most && self.coverage.of(Kind::LaneDeclaredDead) == 0 {
                let what = "at most max_waiting requests wait";
                return violated("limit", format!("{what}: {waiting} do, of {most}"));
            }
        }
        Ok(())
    }

    /// Checks requests that have just reached their workers.
    pub(crate) fn check_arrivals(&mut self, lane: LaneIndex) -> Check {
        let arrivals = self.host.inspect(|process| std::mem::take(&mut process.arrivals));
        for stream in arrivals {
            let url = self.host.inspect(|process| {
                let stream = process.streams.get(&stream);
                let headers = stream.and_then(|stream| stream.seen.forwarded.as_ref());
                headers.and_then(|headers| headers.get("x-slotway-worker").map(str::to_owned))
            });
            let at = url.as_deref().and_then(|url| self.fleet.find(url));
            let Some(at) = at else {
                return violated(
                    "routing",
                    format!("a request goes to a worker of its pool: {stream} goes to {url:?}"),
                );
            };
            let pool = self.fleet.at(at).pool;
            let Some(client) = self.clients.get_mut(&stream) else {
                return violated("once", format!("a request goes to one worker, once: {stream} was over"));
            };
            if client.pool.is_some_and(|wanted| wanted != pool) {
                return violated(
                    "routing",
                    format!("a request goes to a worker of its pool: {stream} goes to {url:?}"),
                );
            }
            client.stage = Stage::AtWorker;
            let client = client.clone();
            self.check_wait(&client, self.now_ns())?;
            let woken = self.lanes[lane.0].woken;
            self.coverage.note(match (client.waits, woken) {
                (false, _) => Kind::TookAtOnce,
                (true, false) => Kind::GrantedHere,
                (true, true) => Kind::GrantedAcross,
            });
            self.note(|| format!("      {stream} arrives at {}", self.fleet.at(at).url));
            self.fleet.arrive(stream, at)?;
            self.watch.check_slots(pool, &self.fleet)?;
            self.plan_answer(stream, at);
        }
        Ok(())
    }

    /// Plans what the worker does with a request, and when.
    fn plan_answer(&mut self, stream: StreamId, at: usize) {
        let (now_ns, lane) = (self.now_ns(), self.host.lane_of(stream));
        let pool = self.fleet.at(at).pool;
        let timeout_ns = self.plan.pools[pool].answer_timeout_ms * NS_PER_MS;
        self.agenda.add(now_ns + timeout_ns, Some(lane), What::Fail(stream, WorkerFailure::Timeout));
        let service_ns = self.dice.below(2 * self.plan.service_ms * 1_000 + 1) * NS_PER_US;
        let sick = self.fleet.at(at).sick_until_ns > now_ns;
        if !self.is_draining && (sick || self.dice.per_mille(self.plan.fail_per_mille)) {
            if self.plan.sick_workers && !sick {
                self.fleet.at_mut(at).sick_until_ns = now_ns + self.dice.between(20, 2_000) * NS_PER_MS;
            }
            use WorkerFailure as F;
            let failure = self.dice.of([
                F::ConnectFailed,
                F::ConnectFailed,
                F::ResetBeforeAnswer,
                F::ResetInAnswer,
                F::Overflow,
                F::Timeout,
                F::NoCluster,
            ]);
            if failure == F::ResetInAnswer {
                self.put_answer(stream, vec![Part::Headers { status: 200 }, Part::Body]);
                self.agenda.add(now_ns + service_ns / 2, Some(lane), What::Answer(stream));
            }
            self.agenda.add(now_ns + service_ns, Some(lane), What::Fail(stream, failure));
        } else if self.is_draining || !self.dice.per_mille(self.plan.hang_per_mille) {
            let status = self.dice.of([200, 200, 200, 200, 404, 500, 503, 504]);
            let mut parts = vec![Part::Headers { status }];
            if self.dice.per_mille(self.plan.parts_per_mille) {
                self.coverage.note(Kind::InParts);
                parts.extend(self.dice.one_in(2).then_some(Part::Body));
                parts.push(Part::Body);
                parts.extend(self.dice.one_in(3).then_some(Part::Trailers));
            }
            self.put_answer(stream, parts);
            self.agenda.add(now_ns + service_ns, Some(lane), What::Answer(stream));
        }
    }

    fn put_answer(&mut self, stream: StreamId, parts: Vec<Part>) {
        if let Some(client) = self.clients.get_mut(&stream) {
            client.answer = parts.into();
        }
    }

    /// Plans the wake-ups and reports that were posted.
    pub(crate) fn check_posts(&mut self) {
        let last_call = self.last_call;
        let (wakeups, calls) = self.host.inspect(|process| {
            let calls = process.calls.iter().filter(|call| call.serial > last_call);
            let calls: Vec<_> = calls.map(|call| (call.serial, call.lane, call.due_ns)).collect();
            (std::mem::take(&mut process.wakeups), calls)
        });
        let now_ns = self.now_ns();
        for wakeup in wakeups {
            let mut due_ns = now_ns;
            if !self.is_draining && self.dice.per_mille(self.plan.late_wakeup_per_mille) {
                due_ns += self.dice.below(self.plan.late_wakeup_ms * 1_000) * NS_PER_US;
                self.coverage.note(Kind::LateWakeup);
            }
            let registered = self.lanes[wakeup.lane.0].vm;
            self.agenda.add(due_ns, Some(wakeup.lane), What::Wakeup(wakeup, registered));
        }
        for (serial, lane, timeout_ns) in calls {
            self.last_call = serial;
            let (answer, due_ns) = match self.dice.below(8) {
                0 => (CallAnswer::status(504, "upstream request timeout"), timeout_ns.unwrap_or(now_ns)),
                1 => (CallAnswer::Reset, now_ns + NS_PER_MS),
                2 => (CallAnswer::status(409, ""), now_ns + NS_PER_MS),
                3 => (CallAnswer::status(503, "no healthy upstream"), now_ns),
                _ => (CallAnswer::status(202, ""), now_ns + self.dice.below(20 * NS_PER_MS)),
            };
            self.agenda.add(due_ns, Some(lane), What::Call(serial, answer));
        }
    }

    /// Checks the end of an event.
    pub(crate) fn check_end(&mut self, lane: LaneIndex, end: Result<(), HostError>) -> Check {
        let life = &mut self.lanes[lane.0];
        life.busy_since_ns = None;
        life.opening = None;
        life.woken = false;
        let ticked = std::mem::take(&mut life.ticks);
        let leaving = life.leaving.take();
        if let Err(error) = end
            && !self.plan.has_faults()
            && self.host.vm_of(lane).is_some()
        {
            return violated(
                "configuration",
                format!("a configuration that a canary took is taken: {error}"),
            );
        }
        if ticked {
            self.lanes[lane.0].is_renewed = false;
            self.check_queue(lane)?;
        }
        self.check_places(lane)?;
        if let Some((stream, since_ns)) = leaving {
            self.abandon(stream, since_ns);
        }
        self.check_vm(lane, false)?;
        self.check_complaints()?;
        let here: Vec<_> =
            self.clients.values().filter(|client| client.lane == lane).map(|client| client.stream).collect();
        for stream in here {
            self.check_client(stream)?;
        }
        self.close_connections(lane);
        Ok(())
    }

    /// Closes the connections of the requests that have ended for Envoy: it does so once the callback has returned.
    fn close_connections(&mut self, lane: LaneIndex) {
        let (host, clients) = (&self.host, &self.clients);
        let at_worker: BTreeSet<_> =
            clients.keys().copied().filter(|stream| self.fleet.place(*stream).is_some()).collect();
        self.fleet.close(|stream| {
            let stage = clients.get(&stream).map(|client| client.stage);
            let is_over = stage.is_none_or(|stage| stage == Stage::Read) || !at_worker.contains(&stream);
            is_over && stage.is_none_or(|_| host.lane_of(stream) == lane)
        });
    }

    /// Checks that a living lane has no more entries in the line than waiting requests.
    fn check_places(&self, lane: LaneIndex) -> Check {
        // A waiter that a failed host call has kept in the line leaves it later.
        if self.plan.has_faults() {
            return Ok(());
        }
        let number = self.host.vm_of(lane).and_then(|vm| self.number_of(vm));
        let Some(number) = number else { return Ok(()) };
        for pool in 0..self.plan.pools.len() {
            let Some(view) = self.watch.view(pool) else { continue };
            let places = view.waiters.iter().filter(|(_, lane)| *lane == number).count();
            let waits = |client: &&Client| {
                (client.lane, client.pool, client.stage) == (lane, Some(pool), Stage::InFilter)
                    && !client.excused
            };
            let waiting = self.clients.values().filter(waits).count();
            if places > waiting {
                let what = "each entry in the line belongs to a waiting request";
                return violated(
                    "line",
                    format!("{what}: {lane} has {places} places for {waiting} requests"),
                );
            }
        }
        Ok(())
    }

    /// Returns the filter's number of the lane that a VM is.
    fn number_of(&self, vm: VmId) -> Option<u16> {
        self.host.inspect(|process| {
            let name = process.queues.name(process.vms.get(&vm)?.own_queue?)?;
            let number = name.strip_prefix(LANE_QUEUE)?;
            std::str::from_utf8(number).ok()?.parse().ok()
        })
    }

    /// Returns whether a VM that has just died had a slot that no stream is marked with yet: it died while it took the slot
    /// over, and the witness cannot tell of it.
    fn has_unmarked(&self, dead: VmId) -> bool {
        let Some(number) = self.number_of(dead) else { return false };
        let marks: Vec<Vec<u8>> = self.host.inspect(|process| {
            let streams = process.streams.values();
            streams.filter_map(|stream| stream.seen.filter_state.get("slotway.slot").cloned()).collect()
        });
        (0..self.plan.pools.len()).any(|pool| {
            let name = pool_name(pool);
            let mut held = self.watch.view(pool).into_iter().flat_map(|view| view.held.values());
            held.any(|held| {
                let mark = [&number.to_le_bytes()[..], &held.serial.to_le_bytes(), name.as_bytes()].concat();
                held.lane == number && !marks.contains(&mark)
            })
        })
    }

    /// Checks that wake-ups go to the newest root context: an older one may be gone when they come.
    fn check_queue(&self, lane: LaneIndex) -> Check {
        if self.plan.has_faults() {
            return Ok(());
        }
        let woken = self.host.inspect(|process| {
            let state = self.host.vm_of(lane).and_then(|vm| process.vms.get(&vm))?;
            let roots = state.contexts.iter().filter(|(_, context)| matches!(context, Context::Root(_)));
            let newest = roots.map(|(id, _)| *id).max()?;
            let (place, context) = process.queues.wakes_by(state.own_queue?)?;
            // A lane that is declared dead is not woken.
            (place == VmThread::Lane(lane) && context != newest).then_some((context, newest))
        });
        match woken {
            Some((context, newest)) => {
                let what = "a lane's messages wake its newest root context";
                violated("wake-up", format!("{what}: {lane}'s wake context {context}, not {newest}"))
            }
            None => Ok(()),
        }
    }

    /// Notes whether the lane has another VM than before, or none.
    pub(crate) fn check_vm(&mut self, lane: LaneIndex, idle: bool) -> Check {
        let now = self.host.vm_of(lane);
        let before = self.lanes[lane.0].alive;
        if before == now {
            return Ok(());
        }
        if let Some(dead) = before {
            self.traps += 1;
            self.unmarked |= self.has_unmarked(dead);
            if !idle {
                self.coverage.note(Kind::TrapAtCall);
            }
            for client in self.clients.values_mut().filter(|client| client.lane == lane) {
                client.excused = true;
            }
        }
        let life = &mut self.lanes[lane.0];
        life.alive = now;
        if now.is_some() {
            if life.vm.is_some() {
                self.coverage.note(Kind::VmRestarted);
            }
            life.vm = now;
        }
        Ok(())
    }

    /// Checks the filter's log, and what it must not do.
    fn check_complaints(&mut self) -> Check {
        let (lines, anomalies) =
            self.host.inspect(|process| (std::mem::take(&mut process.logs), process.anomalies.clone()));
        for line in lines {
            if line.message.contains("has died; lane") {
                self.coverage.note(Kind::LaneDeclaredDead);
            }
            if line.level == 5 && line.message.starts_with("Function: ") {
                if !line.message.contains("trap ordered") {
                    let what = "the filter never panics";
                    return violated("panic", format!("{what}: {}", line.message));
                }
            } else if line.level >= ERROR && !self.plan.has_faults() && self.traps == 0 {
                let what = "the filter logs no error while no host call fails";
                return violated("complaint", format!("{what}: {}", line.message));
            }
        }
        match anomalies.first() {
            Some(anomaly) => violated("once", format!("a waiter goes on once: {anomaly}")),
            None => Ok(()),
        }
    }
}
