//! Beginning an event on a lane: a planned one, or a tick that is due.

use crate::{
    host::{CallAnswer, Context, Event, LaneIndex, StreamId, VmId, Wakeup, WorkerFailure},
    sim::{
        agenda::{Item, What},
        client::{Part, Stage, request},
        configs::{pool_name, pool_prefix},
        coverage::Kind,
        run::{NS_PER_MS, NS_PER_US, Run},
        violation::Check,
    },
};

/// An event that a lane can begin.
enum Candidate {
    Item(u64),
    Tick(VmId, u32),
}

impl Run {
    /// Begins an event that is due on an idle lane.
    pub(crate) fn begin(&mut self, lane: LaneIndex) -> Check {
        let now_ns = self.now_ns();
        let mut candidates = Vec::new();
        let mut configured = false;
        let mut due: Vec<_> =
            self.agenda.iter().filter(|item| item.lane == Some(lane) && item.due_ns <= now_ns).collect();
        // Configurations arrive in the order in which they were pushed.
        due.sort_unstable_by_key(|item| item.serial);
        for item in due {
            let configure = matches!(item.what, What::Configure(_));
            if !(configure && configured) {
                candidates.push(Candidate::Item(item.serial));
            }
            configured |= configure;
        }
        self.host.inspect(|process| {
            let ticks = process.timers.iter().filter(|(_, _, due_ns)| *due_ns <= now_ns);
            let here = ticks.filter(|(vm, ..)| process.vms.get(vm).is_some_and(|vm| vm.lane() == Some(lane)));
            candidates.extend(here.map(|(vm, context, _)| Candidate::Tick(vm, context)));
        });
        if candidates.is_empty() {
            return Ok(());
        }
        let at = self.dice.index(candidates.len());
        let event = match candidates.swap_remove(at) {
            Candidate::Tick(vm, context) => {
                self.lanes[lane.0].woken = true;
                self.lanes[lane.0].ticks = true;
                Some(Event::Tick { vm, context })
            }
            Candidate::Item(serial) => match self.agenda.take(serial) {
                Some(item) => self.event_of(lane, item),
                None => None,
            },
        };
        if let Some(event) = event {
            self.lanes[lane.0].busy_since_ns = Some(now_ns);
            self.host.begin(lane, event);
        }
        Ok(())
    }

    /// Begins a planned event. `None` if nothing is left to do for it.
    fn event_of(&mut self, lane: LaneIndex, item: Item) -> Option<Event> {
        match item.what {
            What::Body(stream) => self.clients.contains_key(&stream).then(|| Event::RequestBody {
                stream,
                bytes: b"text".to_vec(),
                end: true,
            }),
            What::Answer(stream) => self.answer(lane, stream),
            What::Fail(stream, failure) => self.fail(stream, failure),
            What::Gone(stream) => self.leave(lane, stream),
            What::Finish(stream) => self.clients.contains_key(&stream).then_some(Event::Finish(stream)),
            What::Wakeup(wakeup, vm) => Some(self.wake(lane, wakeup, vm)),
            What::Configure(plugin) => {
                self.lanes[lane.0].is_renewed = true;
                Some(Event::Configure(plugin))
            }
            What::Call(serial, answer) => {
                let call = self.host.take_call(serial)?;
                let answered = matches!(&answer, CallAnswer::Answer { headers, .. } if headers.get(":status") == Some("202"));
                self.coverage.note(if answered { Kind::ReportAnswered } else { Kind::ReportRefused });
                Some(Event::CallAnswer { call, answer })
            }
            What::Done(_)
            | What::Request
            | What::Push
            | What::Stall
            | What::Trap
            | What::Jump
            | What::SetClock => None,
        }
    }

    /// Sends a request. It comes to its lane as soon as the lane is idle.
    pub(crate) fn send(&mut self, lane: LaneIndex) {
        let now_ns = self.now_ns();
        let pools = self.plan.pools.len();
        let odd = self.dice.per_mille(self.plan.odd_path_per_mille) && self.only_pool.is_none();
        let pool = self.only_pool.unwrap_or_else(|| self.dice.index(pools));
        let pool = (!odd || pools == 1).then_some(pool);
        let path = pool.map_or("/nowhere".to_owned(), |pool| format!("{}extract", pool_prefix(pool, pools)));
        debug_assert!(pool.is_none() || pools == 1 || path.contains(&pool_name(pool.unwrap_or(0))));
        let asked_ms = self.dice.per_mille(self.plan.asks_per_mille).then(|| self.dice.below(300));
        let grpc = self.dice.one_in(16);
        let stream = self.host.open(lane, request(&path, asked_ms, grpc));
        let has_body = self.dice.per_mille(self.plan.body_per_mille);
        self.coverage.note(Kind::Request);
        let (wait_max_ms, wait_min_ms) =
            pool.map_or((0, 0), |pool| (self.wait_max_ms[pool], self.wait_min_ms[pool]));
        let least = |ms: u64| asked_ms.map_or(ms, |asked_ms| asked_ms.min(ms));
        let client = super::client::Client {
            stream,
            lane,
            pool,
            stage: Stage::InFilter,
            since_ns: now_ns,
            wait_max_ms: least(wait_max_ms),
            wait_min_ms: least(wait_min_ms),
            waits: false,
            held_up_ns: self.lanes[lane.0].held_up_ns,
            excused: false,
            answer: Default::default(),
        };
        self.clients.insert(stream, client);
        if has_body {
            self.coverage.note(Kind::SlowBody);
            let due_ns = now_ns + self.dice.below(20 * NS_PER_MS);
            self.agenda.add(due_ns, Some(lane), What::Body(stream));
        }
        if self.dice.per_mille(self.plan.leave_per_mille) && !self.is_draining {
            let due_ns = now_ns + self.dice.below(self.plan.patience_ms * 1_000) * NS_PER_US;
            self.agenda.add(due_ns, Some(lane), What::Gone(stream));
        }
        let life = &mut self.lanes[lane.0];
        (life.opening, life.busy_since_ns) = (Some(stream), Some(now_ns));
        self.host.begin(lane, Event::Request { stream, end: !has_body });
    }

    /// Sends the next part of a worker's answer. After the last part the worker has finished.
    fn answer(&mut self, lane: LaneIndex, stream: StreamId) -> Option<Event> {
        let (part, end) = self.clients.get_mut(&stream)?.next_part()?;
        if end {
            self.fleet.leave(stream);
            self.agenda.drop_answer(stream);
        } else {
            let due_ns = self.now_ns() + self.dice.below(self.plan.service_ms * 1_000 + 1_000) * NS_PER_US;
            self.agenda.add(due_ns, Some(lane), What::Answer(stream));
        }
        Some(match part {
            Part::Headers { status } => {
                let headers = [(":status", status.to_string())].into_iter().collect();
                Event::AnswerHeaders { stream, headers, end }
            }
            Part::Body => Event::AnswerBody { stream, bytes: b"{}".to_vec(), end },
            Part::Trailers => {
                Event::AnswerTrailers { stream, trailers: [("x-done", "yes")].into_iter().collect() }
            }
        })
    }

    /// Lets the worker fail, or be too slow.
    fn fail(&mut self, stream: StreamId, failure: WorkerFailure) -> Option<Event> {
        self.clients.get(&stream)?;
        self.agenda.drop_answer(stream);
        self.coverage.note(match failure {
            WorkerFailure::ConnectFailed => Kind::ConnectFailed,
            WorkerFailure::ResetBeforeAnswer => Kind::ResetBefore,
            WorkerFailure::ResetInAnswer => Kind::ResetWithin,
            WorkerFailure::Overflow => Kind::Overflow,
            WorkerFailure::Timeout => Kind::Timeout,
            WorkerFailure::NoCluster => Kind::NoCluster,
        });
        if failure == WorkerFailure::Timeout {
            self.abandon(stream, self.now_ns());
        } else {
            self.fleet.leave(stream);
        }
        Some(Event::WorkerFailed { stream, failure })
    }

    /// Lets the client leave. Envoy tells the filter before it resets the request to the worker.
    fn leave(&mut self, lane: LaneIndex, stream: StreamId) -> Option<Event> {
        let client = self.clients.get(&stream)?;
        self.coverage.note(match (client.stage, client.answer.front()) {
            (Stage::InFilter, _) => Kind::GoneWaiting,
            (Stage::AtWorker, Some(Part::Headers { .. }) | None) => Kind::GoneRunning,
            _ => Kind::GoneReading,
        });
        self.agenda.drop_stream(stream);
        self.lanes[lane.0].leaving = Some((stream, self.now_ns()));
        Some(Event::ClientGone(stream))
    }

    /// Notes that the client of a request has left at `since_ns`. The worker may compute for as long as the slot is held.
    pub(crate) fn abandon(&mut self, stream: StreamId, since_ns: u64) {
        let Some(at) = self.fleet.place(stream) else { return };
        let hold_ms = self.plan.pools[self.fleet.at(at).pool].hold_ms;
        if !self.plan.oblivious || hold_ms == 0 {
            self.fleet.leave(stream);
            return;
        }
        self.coverage.note(Kind::ContinuedAfterLeave);
        // The filter counts whole milliseconds.
        let due_ns = since_ns + self.dice.below(hold_ms * NS_PER_MS - NS_PER_MS + 1);
        self.agenda.add(due_ns, None, What::Done(stream));
    }

    /// Delivers a wake-up to the thread as it is now.
    fn wake(&mut self, lane: LaneIndex, mut wakeup: Wakeup, registered: Option<VmId>) -> Event {
        self.lanes[lane.0].woken = true;
        let now = self.host.vm_of(lane);
        let (mut contexts, root) = self.host.inspect(|process| {
            let state = now.and_then(|vm| process.vms.get(&vm));
            let contexts: Vec<_> = state
                .into_iter()
                .flat_map(|state| &state.contexts)
                .map(|(id, context)| (*id, *context))
                .collect();
            let newest = contexts
                .iter()
                .filter(|(_, context)| matches!(context, Context::Root(_)))
                .map(|(id, _)| *id)
                .max();
            (contexts, newest)
        });
        if now.is_some() && now != registered && self.plan.stray_wakeups {
            // Number 0, the VM itself, is no root context in any VM.
            contexts.retain(|(id, _)| *id != 0);
            if !contexts.is_empty() {
                wakeup.context = contexts[self.dice.index(contexts.len())].0;
            }
        }
        let found = contexts.iter().find(|(id, _)| *id == wakeup.context);
        match found {
            None => self.coverage.note(Kind::LostWakeup),
            Some(_) if now != registered => self.coverage.note(Kind::StrayWakeup),
            Some((id, _)) if Some(*id) != root => self.coverage.note(Kind::OldRootWakeup),
            Some(_) => {}
        }
        Event::Wakeup(wakeup)
    }
}
