//! The steps that begin: the callbacks of an idle lane, and what happens to a lane from outside.

use crate::{
    case::Case,
    defect::Defect,
    list::List,
    state::{At, LaneNumber, Liveness, Phase, Request, State, Task},
    step::Step,
    world::World,
};

impl World<'_> {
    /// Adds every step that may come next.
    pub(crate) fn all(&mut self) {
        let now = self.now;
        for lane in (0..self.case.lanes as u8).filter(|lane| !now.lanes[usize::from(*lane)].is_dead) {
            if now.lanes[usize::from(lane)].is_idle() {
                self.requests_of(lane);
                self.wake_up(lane);
                self.recover(lane);
            } else {
                self.go_on(lane);
            }
            self.faults(lane);
        }
        self.orphans();
    }

    /// Adds a callback of a request, or of the timer on its behalf.
    fn requests_of(&mut self, lane: LaneNumber) {
        let now = self.now;
        let coming =
            (0..self.case.requests as u8).find(|at| now.requests[usize::from(*at)].phase == Phase::ToCome);
        if let Some(number) = coming {
            let mut next = self.begin();
            next.state.requests[usize::from(number)] =
                Request { phase: Phase::Arriving, lane, ..Request::default() };
            next.start(lane, Task::Take(number));
            self.push(next, Step::of(lane, "gets request {r} and reads the root").request(number).optional());
        }
        for (number, request) in (0..).zip(&now.requests).filter(|(_, request)| request.lane == lane) {
            let of = |what| Step::of(lane, what).request(number);
            let mut next = self.begin();
            let changed = &mut next.state.requests[usize::from(number)];
            match request.phase {
                Phase::Running => {
                    changed.phase = Phase::Ending;
                    next.start(lane, Task::Release(request.serial, request.worker));
                    self.push(
                        next,
                        of("hears the worker's answer to request {r} end, and reads the root to give back slot {s}")
                            .serial(request.serial),
                    );

                    let mut next = self.begin();
                    next.state.requests[usize::from(number)].phase = Phase::Abandoned;
                    next.tell_end(lane, request.mark);
                    let left = of(
                        "is told that the client of request {r} has left; slot {s} is held until the timer",
                    );
                    self.push(next, left.serial(request.serial).optional());
                }
                Phase::Abandoned => {
                    next.start(lane, Task::Release(request.serial, request.worker));
                    let due = of("reads the root to give back slot {s}, which request {r} had");
                    self.push(next, due.serial(request.serial));
                }
                Phase::Waiting => {
                    changed.phase = Phase::Over;
                    next.forget_waiter(lane, number);
                    if self.case.defect != Some(Defect::ForgetCancel) {
                        next.start(lane, Task::Cancel(request.ticket));
                    }
                    self.push(
                        next,
                        of("ends request {r}, which waits, and reads the root to take it out of the line")
                            .optional(),
                    );
                }
                _ => {}
            }
        }
        if self.case.change.is_some() && !now.root.is_changed {
            let mut next = self.begin();
            next.start(lane, Task::Change);
            self.push(next, Step::of(lane, "gets the new configuration and reads the root").optional());
        }
    }

    /// Adds the lane's own messages, its beat and its audit.
    fn wake_up(&mut self, lane: LaneNumber) {
        let own = self.now.lanes[usize::from(lane)];
        if !own.queue.is_empty() {
            let mut next = self.begin();
            if let Some(grant) = next.lane(lane).queue.pop() {
                let is_found =
                    own.found & 1 << grant.serial != 0 && self.case.defect != Some(Defect::TakeLate);
                let what = if is_found {
                    "takes slot {s} out of its queue, which its audit has found already"
                } else {
                    next.lane(lane).under_way.push(grant);
                    "takes slot {s} out of its queue"
                };
                self.push(next, Step::of(lane, what).serial(grant.serial));
            }
            return;
        }
        if own.liveness != Liveness::Alive {
            let mut next = self.begin();
            let waiting = self.now.of_lane(lane, Phase::Waiting).fold(0, |all, number| all | 1 << number);
            let changed = next.lane(lane);
            changed.liveness = Liveness::Alive;
            changed.to_withdraw = waiting;
            self.push(next, Step::of(lane, "beats, and learns that it was declared dead"));
        } else if self.case.defect != Some(Defect::NoAudit) {
            self.audit(lane);
        }
    }

    /// Adds the first step of an audit, which checks the waiters that were served.
    fn audit(&mut self, lane: LaneNumber) {
        let now = self.now;
        let own = &now.lanes[usize::from(lane)];
        let gone = |number: &u8| {
            own.astray & 1 << number != 0 || now.root.is_past(now.requests[usize::from(*number)].ticket)
        };
        let late = now.of_lane(lane, Phase::Waiting).filter(gone).fold(0, |all, number| all | 1 << number);
        let strays = now.strays(lane);
        if late == 0 && own.late == 0 && strays.is_empty() && own.strays == 0 {
            return;
        }
        let is_thorough = now.lanes.iter().any(|one| one.is_dead || one.liveness == Liveness::Dead);
        let mut next = self.begin();
        let changed = next.lane(lane);
        changed.late_twice = late & own.late;
        changed.late = late;
        if is_thorough || changed.late_twice != 0 || own.strays != 0 {
            changed.at = At::Audit;
        }
        self.push(next, Step::of(lane, "audits itself: it looks at the line"));
    }

    /// Adds what a lane does to recover dead lanes. One lane does it, as long as it is not declared dead itself. (If that
    /// was a mistake, two lanes do it.)
    fn recover(&mut self, lane: LaneNumber) {
        let now = self.now;
        let is_at_it = |one: &crate::state::Lane| one.is_executor && one.liveness == Liveness::Alive;
        if now.lanes.iter().any(is_at_it) && !is_at_it(&now.lanes[usize::from(lane)]) {
            return;
        }
        if now.lanes.iter().all(|one| !one.is_dead && one.liveness == Liveness::Alive) {
            return;
        }
        let first = self.next.len();
        self.recover_lanes(lane);
        self.receive_ends(lane);
        for (next, _) in &mut self.next[first..] {
            next.lane(lane).is_executor = true;
        }
    }

    fn recover_lanes(&mut self, lane: LaneNumber) {
        let now = self.now;
        for (dead, other) in (0..self.case.lanes as u8).zip(&now.lanes).filter(|(dead, _)| *dead != lane) {
            let of = |what| Step::of(lane, what).other(dead);
            if other.liveness == Liveness::Alive && other.is_dead {
                let mut next = self.begin();
                next.lane(dead).liveness = Liveness::Dead;
                self.push(next, of("declares lane {l} dead"));
            }
            let has_place = now.root.line.items().iter().any(|place| place.lane == dead);
            let has_slot = now.root.ledger.items().iter().any(|held| held.lane == dead);
            let is_met = other.liveness == Liveness::Forgotten && has_slot;
            if is_met && self.case.defect != Some(Defect::RecoverOnce) {
                let mut next = self.begin();
                next.lane(dead).liveness = Liveness::Dead;
                self.push(
                    next,
                    of("meets a slot of lane {l}, which was removed from the table, and recovers it again"),
                );
            }
            if other.liveness != Liveness::Dead {
                continue;
            }
            let takes_over = self.case.defect != Some(Defect::NoTakeover);
            if !other.queue.is_empty() && takes_over {
                let mut next = self.begin();
                if let Some(grant) = next.lane(dead).queue.pop() {
                    next.start(lane, Task::Release(grant.serial, grant.worker));
                    self.push(
                        next,
                        of("takes slot {s} out of lane {l}'s queue and reads the root to give it back")
                            .serial(grant.serial),
                    );
                }
            }
            let evicts = has_place && self.case.defect != Some(Defect::NoEviction);
            if evicts {
                let mut next = self.begin();
                next.start(lane, Task::Evict(dead));
                self.push(next, of("reads the root to take lane {l}'s places out of the line"));
            }
            for held in now.root.ledger.items().iter().filter(|held| held.lane == dead) {
                let must_be_over = other.is_dead && !self.case.is_endless && !now.runs(held.serial);
                let may = held.is_over || must_be_over || self.case.defect == Some(Defect::OverAtOnce);
                if may && self.case.defect != Some(Defect::NoRelease) {
                    let mut next = self.begin();
                    next.start(lane, Task::Release(held.serial, held.worker));
                    self.push(
                        next,
                        of("reads the root to give back slot {s} of lane {l}, whose request is over")
                            .serial(held.serial),
                    );
                }
            }
            if !evicts && !has_slot && (other.queue.is_empty() || !takes_over) {
                let mut next = self.begin();
                next.lane(dead).liveness = Liveness::Forgotten;
                next.broken = has_place.then_some("a dead lane is forgotten that has places in the line");
                self.push(next, of("finds nothing of lane {l} any more, and removes it"));
            }
        }
    }

    /// Adds the receipt of a message of the witness.
    fn receive_ends(&mut self, lane: LaneNumber) {
        let now = self.now;
        for (at, (of_lane, serial)) in now.ends.items().iter().enumerate() {
            let mut next = self.begin();
            next.state.ends.remove(at);
            let worker = now.root.held(*serial).map_or(0, |held| held.worker);
            let task = if self.case.defect == Some(Defect::TrustWitness) {
                Task::Release(*serial, worker)
            } else {
                Task::Note(*of_lane, *serial)
            };
            next.start(lane, task);
            let what = "learns from the witness that the request with slot {s} of lane {l} is over, and reads the root";
            self.push(next, Step::of(lane, what).other(*of_lane).serial(*serial));
        }
    }

    /// Adds the faults of a lane.
    fn faults(&mut self, lane: LaneNumber) {
        let Case { may_trap, may_stall, is_endless, lanes, .. } = *self.case;
        let now = self.now;
        let others_live = (0..lanes).any(|other| other != usize::from(lane) && !now.lanes[other].is_dead);
        let own = &now.lanes[usize::from(lane)];
        if may_trap && !now.has_trapped && others_live && !(is_endless && own.has_in_hand(lane)) {
            let mut next = self.begin();
            next.trap(lane);
            self.push(next, Step::of(lane, "traps").optional());
        }
        if may_stall && !now.has_stalled && others_live && own.liveness == Liveness::Alive {
            let mut next = self.begin();
            next.state.has_stalled = true;
            next.lane(lane).liveness = Liveness::Dead;
            self.push(next, Step::of(lane, "stalls, and the others declare it dead").optional());
        }
    }

    /// Adds the ends of a dead lane's streams.
    fn orphans(&mut self) {
        let now = self.now;
        for (number, request) in (0..).zip(&now.requests) {
            let running = match request.phase {
                Phase::Orphan => false,
                Phase::RunningOrphan => true,
                _ => continue,
            };
            let mut next = self.begin();
            next.state.requests[usize::from(number)].phase = Phase::Over;
            next.tell_end(request.lane, request.mark);
            self.push(
                next,
                Step::outside("request {r}, whose lane is dead, ends, and the witness tells of it")
                    .request(number),
            );
            if running && !self.case.is_endless {
                let mut next = self.begin();
                next.state.requests[usize::from(number)].phase = Phase::Over;
                self.push(
                    next,
                    Step::outside("request {r}, whose lane is dead, ends well; the witness is not asked")
                        .request(number),
                );
            }
        }
    }
}

impl State {
    /// Returns the slots under a lane's number that none of its requests holds: serial and worker.
    pub(crate) fn strays(&self, lane: LaneNumber) -> List<(u8, u8), 4> {
        let mut strays = List::default();
        for held in self.root.ledger.items().iter().filter(|held| held.lane == lane) {
            let is_known = self.requests.iter().any(|request| {
                request.serial == held.serial
                    && request.lane == lane
                    && matches!(request.phase, Phase::Running | Phase::Abandoned | Phase::Ending)
            });
            if !is_known {
                strays.push((held.serial, held.worker));
            }
        }
        strays
    }
}
