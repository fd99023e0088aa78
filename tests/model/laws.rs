//! The promises for every state, and for states in which no further step has to come.

use crate::{
    case::Case,
    state::{Phase, State, Task, WORKERS},
};

/// Returns the promise that a state breaks.
pub(crate) fn broken(state: &State) -> Option<&'static str> {
    let root = &state.root;
    if !root.free.is_empty() && !root.line.is_empty() {
        return Some("slots are free although requests wait");
    }
    for worker in 0..WORKERS {
        let at_worker =
            |request: &&crate::state::Request| request.is_running() && usize::from(request.worker) == worker;
        let running = state.requests.iter().filter(at_worker).count() as u8;
        if running > state.out_max[worker] {
            return Some("more requests at a worker than its capacity");
        }
        let free = root.free.items().iter().filter(|free| usize::from(**free) == worker).count() as u8;
        let out = root.out(worker as u8);
        if out > state.out_max[worker] {
            return Some("more slots of a worker are out than its capacity");
        }
        if free + out != root.slots[worker] {
            return Some("a slot was lost or doubled");
        }
        if free > 0 && root.slots[worker] > root.capacity[worker] {
            return Some("a surplus slot is free");
        }
    }
    for (at, request) in state.requests.iter().enumerate().filter(|(_, request)| request.is_running()) {
        let is_its_own =
            |held: &crate::state::LedgerEntry| held.lane == request.lane && held.worker == request.worker;
        if !root.held(request.serial).is_some_and(is_its_own) {
            return Some("a request runs whose slot was given back");
        }
        let twice = |other: &crate::state::Request| other.is_running() && other.serial == request.serial;
        if state.requests[..at].iter().any(twice) {
            return Some("two requests run with one slot");
        }
    }
    for place in root.line.items() {
        let lane = &state.lanes[usize::from(place.lane)];
        let is_leaving = lane.task == Task::Cancel(place.ticket);
        if state.waiter(place.lane, place.ticket).is_none() && !is_leaving && !lane.is_dead {
            return Some("a place in the line whose waiter has gone");
        }
    }
    None
}

/// Returns the promise that a state breaks in which no further step has to come.
pub(crate) fn broken_at_rest(state: &State, case: &Case) -> Option<&'static str> {
    let root = &state.root;
    if state.lanes.iter().any(|lane| !lane.is_dead && !lane.is_idle()) {
        return Some("a lane cannot go on");
    }
    if state.requests.iter().any(|request| request.phase == Phase::Waiting) {
        return Some("a request waits for nothing");
    }
    if state.requests.iter().any(|request| !matches!(request.phase, Phase::ToCome | Phase::Over)) {
        return Some("a request does not end");
    }
    if !root.line.is_empty() {
        return Some("places stay in the line");
    }
    if !root.ledger.is_empty() || root.free.len() != root.slots.iter().map(|slots| usize::from(*slots)).sum()
    {
        return Some("a slot does not come back");
    }
    let changed = case.change.is_some() && root.is_changed;
    let mut capacity = case.capacity;
    if let Some((worker, to)) = case.change.filter(|_| changed) {
        capacity[usize::from(worker)] = to;
    }
    (root.slots != capacity).then_some("a worker has not the slots of its capacity")
}
