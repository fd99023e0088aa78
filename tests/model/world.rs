//! A state and its successors: how a lane continues from one host call to the next.

use crate::{
    case::Case,
    defect::Defect,
    engine::{Grants, Taken},
    state::{At, Lane, LaneNumber, Phase, RequestNumber, Serial, State, Task},
    step::Step,
};

/// A state that may come next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Next<'c> {
    /// The state.
    pub(crate) state: State,
    /// The promise that the step itself broke.
    pub(crate) broken: Option<&'static str>,
    case: &'c Case,
}

/// A state, and all states that may come next.
#[derive(Debug)]
pub(crate) struct World<'c> {
    /// The state.
    pub(crate) now: State,
    /// What may happen.
    pub(crate) case: &'c Case,
    /// What comes next.
    pub(crate) next: Vec<(Next<'c>, Step)>,
}

impl<'c> World<'c> {
    /// Returns a copy of the state.
    pub(crate) fn begin(&self) -> Next<'c> {
        Next { state: self.now, broken: None, case: self.case }
    }

    /// Adds a state that may come next.
    pub(crate) fn push(&mut self, next: Next<'c>, step: Step) {
        self.next.push((next, step));
    }

    /// Adds the next step of a lane that is within a callback.
    pub(crate) fn go_on(&mut self, lane: LaneNumber) {
        let own = self.now.lanes[usize::from(lane)];
        let mut next = self.begin();
        let of = |what| Step::of(lane, what);
        let step = match own.at {
            At::Mark(serial, worker) => {
                if let Task::Take(request) = own.task {
                    next.state.requests[usize::from(request)].mark = serial;
                }
                next.lane(lane).at = At::Swap(serial, worker, 0);
                of("marks the stream with slot {s}").serial(serial)
            }
            At::Swap(..) if own.is_stale && self.case.defect != Some(Defect::IgnoreMismatch) => {
                next.start(lane, own.task);
                of("finds that another lane was faster, and reads the root again")
            }
            At::Swap(serial, worker, ticket) => {
                if own.is_stale {
                    next.believe(lane, serial, worker, ticket);
                    of("takes the other lane's exchange for its own")
                } else {
                    next.swap(lane, own.task);
                    of("exchanges the root")
                }
            }
            At::MarkLate(serial, _) => {
                if let Task::Take(request) = own.task {
                    next.state.requests[usize::from(request)].mark = serial;
                    next.lane(lane).at = At::Go(request);
                }
                of("marks the stream with slot {s}").serial(serial)
            }
            At::Go(request) => {
                next.state.requests[usize::from(request)].phase = Phase::Running;
                next.rest(lane);
                of("lets request {r} go on to its worker").request(request)
            }
            At::Accept(request, serial, worker) => {
                next.mark_waiter(lane, request, serial, worker);
                of("marks request {r}, which waits, with slot {s}").request(request).serial(serial)
            }
            At::Resume(request, serial, worker) => {
                next.resume(lane, request, serial, worker);
                of("lets request {r} go on with slot {s}").request(request).serial(serial)
            }
            At::Audit => {
                next.look_for_strays(lane);
                of("audits itself: it looks at the ledger")
            }
            At::Idle => next.next_errand(lane, &own),
        };
        self.push(next, step);
    }
}

impl Next<'_> {
    /// Returns a lane.
    pub(crate) fn lane(&mut self, lane: LaneNumber) -> &mut Lane {
        &mut self.state.lanes[usize::from(lane)]
    }

    /// Adds the next step of a callback.
    fn next_errand(&mut self, lane: LaneNumber, own: &Lane) -> Step {
        let of = |what| Step::of(lane, what);
        if let Some(grant) = self.lane(lane).under_way.pop() {
            let serial = grant.serial;
            if grant.lane != lane {
                self.lane(grant.lane).queue.push(grant);
                return of("sends slot {s} to lane {l}").serial(serial).other(grant.lane);
            }
            if let Some(request) = self.state.waiter(lane, grant.ticket) {
                self.mark_waiter(lane, request, serial, grant.worker);
                return of("marks request {r}, which waits, with slot {s}").request(request).serial(serial);
            }
            if self.case.defect != Some(Defect::DropUnclaimed) {
                self.start(lane, Task::Release(serial, grant.worker));
            }
            return of("finds no waiter for slot {s}, and reads the root to give it back").serial(serial);
        }
        if own.to_withdraw != 0 {
            let request = self.state.first_of(own.to_withdraw);
            self.lane(lane).to_withdraw &= !(1 << request);
            self.start(lane, Task::Withdraw(request));
            return of("reads the root to see whether request {r} is still in the line").request(request);
        }
        let late = (own.late_twice != 0).then(|| self.state.first_of(own.late_twice));
        if let Some((serial, worker)) = self.lane(lane).lost.pop() {
            if let Some(request) = late {
                let changed = self.lane(lane);
                changed.late_twice &= !(1 << request);
                self.start(lane, Task::Adopt(request, serial, worker));
                return of("reads the root to take up stray slot {s} for late request {r}")
                    .request(request)
                    .serial(serial);
            }
            self.start(lane, Task::Release(serial, worker));
            return of("reads the root to give back stray slot {s}").serial(serial);
        }
        let Some(request) = late.filter(|_| own.may_rejoin) else {
            self.lane(lane).late_twice = 0;
            return of("has slots on their way to it: its other waiters go on waiting");
        };
        let changed = self.lane(lane);
        changed.late_twice &= !(1 << request);
        changed.may_rejoin = changed.late_twice != 0;
        if self.case.defect != Some(Defect::NoRejoin) {
            self.start(lane, Task::Rejoin(request));
        }
        of("reads the root to let late request {r} join again").request(request)
    }

    /// Begins a transition of the pool: reads the root. A transition that changes nothing ends here.
    pub(crate) fn start(&mut self, lane: LaneNumber, task: Task) {
        let defect = self.case.defect;
        let mut root = self.state.root;
        let own = self.lane(lane);
        own.task = task;
        own.is_stale = false;
        own.at = At::Swap(0, 0, 0);
        let changes = match task {
            Task::Take(request) => {
                let has_mark = defect == Some(Defect::MarkAfter);
                match root.take(lane, defect) {
                    Taken::Slot(serial, worker) if has_mark => {
                        self.lane(lane).at = At::Swap(serial, worker, 0)
                    }
                    Taken::Slot(serial, worker) => self.lane(lane).at = At::Mark(serial, worker),
                    Taken::Ticket(ticket) => {
                        self.state.requests[usize::from(request)].mark = 0;
                        self.lane(lane).at = At::Swap(0, 0, ticket);
                    }
                }
                true
            }
            Task::Rejoin(request) => {
                let own = self.lane(lane);
                own.astray &= !(1 << request);
                own.late &= !(1 << request);
                match root.take(lane, defect) {
                    Taken::Slot(serial, worker) => own.at = At::Swap(serial, worker, 0),
                    Taken::Ticket(ticket) => own.at = At::Swap(0, 0, ticket),
                }
                true
            }
            Task::Cancel(ticket) => root.cancel(lane, ticket),
            Task::Withdraw(request) => {
                let ticket = self.state.requests[usize::from(request)].ticket;
                let is_there = root.cancel(lane, ticket);
                if !is_there {
                    self.lane(lane).astray |= 1 << request;
                }
                is_there
            }
            Task::Release(serial, worker) => {
                let changes = root.release(serial, worker, defect).is_some();
                if !changes {
                    self.state.given_back(lane, serial);
                }
                changes
            }
            Task::Adopt(_, serial, _) => root.held(serial).is_some(),
            Task::Evict(dead) => root.evict(dead),
            Task::Note(of, serial) => root.note_over(serial, of, defect),
            Task::Change => !root.is_changed,
            Task::None => false,
        };
        if !changes {
            self.rest(lane);
        }
    }

    /// Exchanges the root, and does what follows at once.
    fn swap(&mut self, lane: LaneNumber, task: Task) {
        let defect = self.case.defect;
        for (number, other) in (0..).zip(&mut self.state.lanes) {
            other.is_stale |= number != lane && matches!(other.at, At::Mark(..) | At::Swap(..));
        }
        let oldest = self.state.root.line.items().first().map(|place| place.ticket);
        let root = &mut self.state.root;
        let mut grants = Grants::default();
        match task {
            Task::Take(_) | Task::Rejoin(_) => {
                let newcomer_first = oldest.is_some();
                match root.take(lane, defect) {
                    Taken::Slot(serial, worker) => {
                        if newcomer_first {
                            self.broken = Some("a newcomer got a slot although others wait");
                        }
                        self.has_taken(lane, task, serial, worker);
                    }
                    Taken::Ticket(ticket) => self.waits(lane, task, ticket),
                }
            }
            Task::Cancel(ticket) => {
                root.cancel(lane, ticket);
                self.rest(lane);
            }
            Task::Withdraw(request) => {
                root.cancel(lane, self.state.requests[usize::from(request)].ticket);
                self.rest(lane);
                if defect != Some(Defect::NoRejoin) {
                    self.start(lane, Task::Rejoin(request));
                }
            }
            Task::Release(serial, worker) => {
                grants = root.release(serial, worker, defect).unwrap_or_default();
                self.state.given_back(lane, serial);
                self.rest(lane);
            }
            Task::Adopt(request, serial, worker) => {
                let adopted = root.renumber(serial, lane, defect);
                self.rest(lane);
                if let Some(serial) = adopted {
                    self.lane(lane).at = At::Accept(request, serial, worker);
                }
            }
            Task::Evict(dead) => {
                root.evict(dead);
                self.rest(lane);
            }
            Task::Note(of, serial) => {
                root.note_over(serial, of, defect);
                self.rest(lane);
            }
            Task::Change => {
                if let Some((worker, capacity)) = self.case.change {
                    grants = root.change(worker, capacity, defect).unwrap_or_default();
                }
                self.rest(lane);
            }
            Task::None => {}
        }
        if let (Some(grant), Some(oldest)) = (grants.items().first(), oldest)
            && grant.ticket != oldest
        {
            self.broken = Some("the longest waiter was passed over");
        }
        grants.items().iter().for_each(|grant| self.lane(lane).under_way.push(*grant));
        self.state.note_out();
    }

    /// Continues as if the exchange had succeeded: a defect.
    fn believe(&mut self, lane: LaneNumber, serial: Serial, worker: u8, ticket: u8) {
        let task = self.lane(lane).task;
        match task {
            Task::Take(_) | Task::Rejoin(_) if serial > 0 => self.has_taken(lane, task, serial, worker),
            Task::Take(_) | Task::Rejoin(_) => self.waits(lane, task, ticket),
            Task::Release(serial, _) => {
                self.state.given_back(lane, serial);
                self.rest(lane);
            }
            _ => self.rest(lane),
        }
    }

    fn has_taken(&mut self, lane: LaneNumber, task: Task, serial: Serial, worker: u8) {
        match task {
            Task::Take(number) => {
                let request = &mut self.state.requests[usize::from(number)];
                request.serial = serial;
                request.worker = worker;
                let marks_now = self.case.defect == Some(Defect::MarkAfter);
                self.lane(lane).at = if marks_now { At::MarkLate(serial, worker) } else { At::Go(number) };
            }
            Task::Rejoin(number) => {
                self.rest(lane);
                self.lane(lane).at = At::Accept(number, serial, worker);
            }
            _ => {}
        }
    }

    fn waits(&mut self, lane: LaneNumber, task: Task, ticket: u8) {
        if let Task::Take(number) | Task::Rejoin(number) = task {
            let request = &mut self.state.requests[usize::from(number)];
            request.phase = Phase::Waiting;
            request.ticket = ticket;
        }
        self.rest(lane);
    }

    fn mark_waiter(&mut self, lane: LaneNumber, number: RequestNumber, serial: Serial, worker: u8) {
        if self.case.defect != Some(Defect::MarkNever) {
            self.state.requests[usize::from(number)].mark = serial;
        }
        self.lane(lane).at = At::Resume(number, serial, worker);
    }

    fn resume(&mut self, lane: LaneNumber, number: RequestNumber, serial: Serial, worker: u8) {
        let request = &mut self.state.requests[usize::from(number)];
        if request.phase != Phase::Waiting {
            self.broken = Some("a waiter was served twice");
        }
        request.phase = Phase::Running;
        request.ticket = 0;
        request.serial = serial;
        request.worker = worker;
        self.forget_waiter(lane, number);
        self.rest(lane);
    }

    /// Adds the second step of an audit.
    fn look_for_strays(&mut self, lane: LaneNumber) {
        let strays = self.state.strays(lane);
        let own = self.lane(lane);
        for (serial, worker) in strays.items().iter().filter(|(serial, _)| own.strays & 1 << serial != 0) {
            own.lost.push((*serial, *worker));
            own.found |= 1 << serial;
        }
        own.strays = strays.items().iter().fold(0, |all, (serial, _)| all | 1 << serial);
        own.at = At::Idle;
        if !strays.is_empty() && own.lost.is_empty() {
            own.late_twice = 0;
        }
        own.may_rejoin = own.late_twice != 0 && strays.is_empty();
    }

    /// Forgets what the audit knew about a waiter.
    pub(crate) fn forget_waiter(&mut self, lane: LaneNumber, number: RequestNumber) {
        let own = self.lane(lane);
        own.late &= !(1 << number);
        own.astray &= !(1 << number);
    }

    /// Ends the transition.
    fn rest(&mut self, lane: LaneNumber) {
        let own = self.lane(lane);
        own.at = At::Idle;
        own.task = Task::None;
        own.is_stale = false;
    }
}
