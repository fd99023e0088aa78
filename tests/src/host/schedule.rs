//! Which lane runs next.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context as TaskContext, Poll, Waker},
};

use crate::{
    HostError,
    host::{Event, Host, HostCall, LaneIndex, Wakeup, lane::Lane},
};

type Running = Pin<Box<dyn Future<Output = (Lane, Result<(), HostError>)>>>;

/// A lane, or the event that runs on it.
pub(crate) enum Slot {
    Idle(Box<Lane>),
    Running(Running),
    /// Only while it changes hands.
    Empty,
}

/// Where a lane stands.
#[derive(Debug)]
pub enum Step {
    /// At this host call, before it is done.
    At(HostCall),
    /// Its event is over.
    Over(Result<(), HostError>),
}

/// Polls a future that only ever waits for the scheduler.
pub(crate) fn run_to_end<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut task = TaskContext::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut task) {
            return output;
        }
    }
}

impl Host {
    /// Lets an event happen on an idle lane, from its beginning to its end, and then everything that follows from it,
    /// unless wake-ups are held.
    ///
    /// # Errors
    /// [`HostError::Configure`] of a configuration or a reload.
    ///
    /// # Panics
    /// If the lane is busy.
    pub fn run(&mut self, lane: LaneIndex, event: Event) -> Result<(), HostError> {
        let Slot::Idle(idle) = std::mem::replace(&mut self.lanes[lane.0], Slot::Empty) else {
            panic!("{lane:?} is busy: it takes the next event when the one under way is over");
        };
        let (idle, end) = run_to_end(idle.handle(event));
        self.lanes[lane.0] = Slot::Idle(Box::new(idle));
        self.settle();
        end
    }

    /// Begins an event on an idle lane. It stands at its beginning; [`Host::step`] takes it on.
    ///
    /// # Panics
    /// If the lane is busy.
    pub fn begin(&mut self, lane: LaneIndex, event: Event) {
        let Slot::Idle(idle) = std::mem::replace(&mut self.lanes[lane.0], Slot::Empty) else {
            panic!("{lane:?} is busy: it takes the next event when the one under way is over");
        };
        self.process.lock().yielding.insert(lane);
        self.lanes[lane.0] = Slot::Running(Box::pin(idle.handle(event)));
    }

    /// Lets a busy lane go on to its next host call or to the end of its event. Wake-ups that it posts are delivered
    /// by [`Host::deliver`] or with the next event that runs to its end.
    ///
    /// # Panics
    /// If the lane is idle.
    pub fn step(&mut self, lane: LaneIndex) -> Step {
        let Slot::Running(event) = &mut self.lanes[lane.0] else {
            panic!("{lane:?} is idle: begin an event first");
        };
        match event.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) {
            Poll::Ready((idle, end)) => {
                self.lanes[lane.0] = Slot::Idle(Box::new(idle));
                let mut process = self.process.lock();
                process.yielding.remove(&lane);
                // A trap that was ordered too late has no effect.
                process.traps.remove(&lane);
                drop(process);
                Step::Over(end)
            }
            Poll::Pending => {
                let at = self.process.lock().at.get(&lane).copied();
                Step::At(at.expect("a lane only waits at host calls"))
            }
        }
    }

    /// Takes a busy lane to the end of its event; an idle one stays idle.
    ///
    /// # Errors
    /// The result of the event.
    pub fn finish_event(&mut self, lane: LaneIndex) -> Result<(), HostError> {
        while self.is_busy(lane) {
            if let Step::Over(end) = self.step(lane) {
                return end;
            }
        }
        Ok(())
    }

    /// Returns whether an event is under way.
    #[must_use]
    pub fn is_busy(&self, lane: LaneIndex) -> bool {
        matches!(self.lanes[lane.0], Slot::Running(_))
    }

    /// Keeps wake-ups back until [`Host::deliver`], or, switched off, delivers them in order as soon as they are posted.
    pub fn hold_wakeups(&mut self, held: bool) {
        self.wakeups_held = held;
        self.settle();
    }

    /// Returns the wake-ups that were posted and have not run, in order.
    #[must_use]
    pub fn wakeups(&self) -> Vec<Wakeup> {
        self.process.lock().wakeups.iter().copied().collect()
    }

    /// Takes a wake-up away, to deliver it with [`Host::begin`] or never.
    pub fn take_wakeup(&mut self, wakeup: Wakeup) {
        self.process.lock().wakeups.retain(|have| *have != wakeup);
    }

    /// Delivers one wake-up to its lane, which must be idle. Any order may be chosen.
    pub fn deliver(&mut self, wakeup: Wakeup) {
        self.take_wakeup(wakeup);
        // A wake-up cannot fail.
        let _ = self.run(wakeup.lane, Event::Wakeup(wakeup));
    }

    /// Delivers all wake-ups, and those that they cause, in order.
    pub fn deliver_wakeups(&mut self) {
        while let Some(wakeup) = self.next_wakeup() {
            self.deliver(wakeup);
        }
    }

    fn settle(&mut self) {
        while !self.wakeups_held
            && let Some(wakeup) = self.next_wakeup()
        {
            self.process.lock().wakeups.retain(|have| *have != wakeup);
            let Slot::Idle(idle) = std::mem::replace(&mut self.lanes[wakeup.lane.0], Slot::Empty) else {
                return;
            };
            let (idle, _) = run_to_end(idle.handle(Event::Wakeup(wakeup)));
            self.lanes[wakeup.lane.0] = Slot::Idle(Box::new(idle));
        }
    }

    /// Returns the first wake-up for an idle lane.
    fn next_wakeup(&self) -> Option<Wakeup> {
        self.process.lock().wakeups.iter().find(|wakeup| !self.is_busy(wakeup.lane)).copied()
    }

    /// Lets time pass: timers of idle lanes fire when they are due, in order, each with what follows from it. A lane
    /// that is busy ticks late, when it is idle again.
    pub fn advance(&mut self, ms: u64) {
        let target_ns = self.process.lock().clock.monotonic_ns() + ms * 1_000_000;
        self.settle();
        while let Some((due_ns, lane, event)) = self.next_due(target_ns) {
            self.process.lock().clock.advance_to(due_ns);
            // A tick cannot fail.
            let _ = self.run(lane, event);
        }
        self.process.lock().clock.advance_to(target_ns);
    }

    /// Lets time pass without any timer firing, as if every lane were stalled.
    pub fn advance_silently(&mut self, ms: u64) {
        let mut process = self.process.lock();
        let target_ns = process.clock.monotonic_ns() + ms * 1_000_000;
        process.clock.advance_to(target_ns);
    }

    /// Sets the operator's clock forward or back; the monotonic clock and all timers stay.
    pub fn jump_realtime(&mut self, ms: i64) {
        self.process.lock().clock.jump_ms(ms);
    }

    /// Returns the ticks that are due now, in the order in which they would fire, for a scheduler that fires them itself with
    /// [`Host::begin`].
    #[must_use]
    pub fn due_ticks(&self) -> Vec<(LaneIndex, Event)> {
        let process = self.process.lock();
        let due = process.timers.due(process.clock.monotonic_ns());
        due.into_iter()
            .filter_map(|(vm, context)| Some((process.vms.get(&vm)?.lane()?, Event::Tick { vm, context })))
            .collect()
    }

    /// Returns when the next tick is due, in nanoseconds of the monotonic clock; `None` if no root context ticks.
    #[must_use]
    pub fn next_tick_ns(&self) -> Option<u64> {
        self.process.lock().timers.next(|_| true).map(|(due_ns, _, _)| due_ns)
    }

    fn next_due(&self, until_ns: u64) -> Option<(u64, LaneIndex, Event)> {
        let process = self.process.lock();
        let lane_of = |vm| process.vms.get(&vm).and_then(super::VmState::lane);
        let idle = |vm| lane_of(vm).is_some_and(|lane| !self.is_busy(lane));
        let tick = process
            .timers
            .next(idle)
            .and_then(|(due_ns, vm, context)| Some((due_ns, lane_of(vm)?, Event::Tick { vm, context })));
        let call = process
            .calls
            .iter()
            .filter(|call| !self.is_busy(call.lane))
            .filter_map(|call| Some((call.due_ns.filter(|due_ns| *due_ns <= until_ns)?, call)))
            .min_by_key(|(due_ns, call)| (*due_ns, call.serial))
            .map(|(due_ns, call)| (due_ns, call.lane, call.serial));
        let next = match (tick, call) {
            (Some(tick), Some(call)) if tick.0 <= call.0 => Some(tick),
            (tick, None) => tick,
            (_, Some((due_ns, lane, serial))) => {
                drop(process);
                let call = self.take_call(serial)?;
                // Envoy's own client answers in the cluster's place.
                let answer = super::CallAnswer::status(504, "upstream request timeout");
                return Some((due_ns, lane, Event::CallAnswer { call, answer }));
            }
        };
        next.filter(|next| next.0 <= until_ns)
    }

    pub(crate) fn take_call(&self, serial: u64) -> Option<super::HttpCall> {
        let calls = &mut self.process.lock().calls;
        let at = calls.iter().position(|call| call.serial == serial)?;
        Some(calls.remove(at))
    }
}
