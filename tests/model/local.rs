//! What a lane does by itself, and what it knows.

use crate::{
    case::Case,
    state::{At, Lane, LaneNumber, Phase, RequestNumber, Serial, State, Task},
    world::{Next, World},
};

impl Next<'_> {
    /// Ends the VM, and forgets what it knew.
    pub(crate) fn trap(&mut self, lane: LaneNumber) {
        self.state.has_trapped = true;
        let own = self.lane(lane);
        *own = Lane { is_dead: true, liveness: own.liveness, queue: own.queue, ..Lane::default() };
        for request in self.state.requests.iter_mut().filter(|request| request.lane == lane) {
            request.phase = match request.phase {
                Phase::Arriving | Phase::Waiting | Phase::Ending if request.mark > 0 => Phase::Orphan,
                Phase::Arriving | Phase::Waiting | Phase::Ending | Phase::Abandoned => Phase::Over,
                Phase::Running => Phase::RunningOrphan,
                other => other,
            };
            if request.phase == Phase::Orphan {
                (request.ticket, request.serial, request.worker) = (0, 0, 0);
            }
        }
    }

    /// The witness sends the mark of a stream that has ended.
    pub(crate) fn tell_end(&mut self, lane: LaneNumber, mark: Serial) {
        if mark > 0 {
            self.state.ends.push((lane, mark));
        }
    }
}

impl State {
    /// Returns the state after the steps that no other lane can see, if the lane can neither die nor be declared dead in
    /// between. Such steps need no states of their own.
    pub(crate) fn hurried(mut self, case: &Case) -> Self {
        if case.may_stall || (case.may_trap && !self.has_trapped) || case.defect.is_some() {
            return self;
        }
        for lane in 0..case.lanes as u8 {
            loop {
                match self.lanes[usize::from(lane)].at {
                    At::Mark(serial, worker) => {
                        let own = &mut self.lanes[usize::from(lane)];
                        own.at = At::Swap(serial, worker, 0);
                        if let Task::Take(request) = own.task {
                            self.requests[usize::from(request)].mark = serial;
                        }
                    }
                    At::Go(_) | At::Accept(..) | At::Resume(..) => {
                        let mut world = World { now: self, case, next: Vec::new() };
                        world.go_on(lane);
                        self = world.next[0].0.state;
                    }
                    _ => break,
                }
            }
        }
        self
    }

    /// Returns the first of a set of waiters, in the order of their tickets.
    pub(crate) fn first_of(&self, set: u8) -> RequestNumber {
        let waiters = (0..self.requests.len() as u8).filter(|number| set & 1 << number != 0);
        waiters.min_by_key(|number| self.requests[usize::from(*number)].ticket).unwrap_or_default()
    }

    /// Ends a request of a lane whose slot is back.
    pub(crate) fn given_back(&mut self, lane: LaneNumber, serial: Serial) {
        for request in self.requests.iter_mut().filter(|request| request.lane == lane) {
            if request.serial == serial && matches!(request.phase, Phase::Ending | Phase::Abandoned) {
                request.phase = Phase::Over;
            }
        }
    }

    /// Lowers the number of slots that may be out: slots that were out before a shrink come back one by one.
    pub(crate) fn note_out(&mut self) {
        for worker in 0..self.out_max.len() {
            let out = self.root.out(worker as u8);
            self.out_max[worker] = self.root.capacity[worker].max(self.out_max[worker].min(out));
        }
    }
}

impl Lane {
    /// Returns whether this lane alone knows where some slot is.
    pub(crate) fn has_in_hand(&self, lane: LaneNumber) -> bool {
        let by_itself = match self.at {
            At::Accept(..) => true,
            At::Swap(..) => {
                matches!(self.task, Task::Release(..) | Task::Rejoin(_) | Task::Adopt(..) | Task::Note(..))
            }
            _ => false,
        };
        by_itself || !self.lost.is_empty() || self.under_way.items().iter().any(|grant| grant.lane == lane)
    }
}
