//! The canonical form of a state: lanes, requests, serials and tickets get new names, since their names have no meaning.
//!
//! Lanes are interchangeable, and so are requests. Of serials and tickets only the order matters, and which of them are
//! still known. Two states that differ only in names behave in the same way. Where the form does not recognise that, there
//! are more states, and nothing else changes.

use crate::{
    case::Case,
    defect::Defect,
    state::{At, Grant, LANES, Lane, Phase, REQUESTS, Request, State, Task},
};

/// The new names of a state's numbers, by old number.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Names {
    /// Lanes.
    pub(crate) lanes: [u8; LANES],
    /// Requests.
    pub(crate) requests: [u8; REQUESTS],
    /// Serials.
    pub(crate) serials: [u8; 32],
    tickets: [u8; 32],
}

impl State {
    /// Brings a state into its canonical form.
    pub(crate) fn canonical(mut self, case: &Case) -> (Self, Names) {
        let dies = std::array::from_fn::<bool, LANES, _>(|lane| case.may_be_dead(&self, lane as u8));
        // A message about a request's end matters only if its lane is dead.
        self.ends.retain(|(lane, _)| dies[usize::from(*lane)]);
        for held in self.root.ledger.items_mut() {
            held.is_over &= dies[usize::from(held.lane)];
        }
        for lane in &mut self.lanes {
            if lane.is_stale && matches!(lane.at, At::Swap(..)) && case.defect != Some(Defect::IgnoreMismatch)
            {
                // It reads the root again, so what it found there does not matter.
                lane.at = At::Swap(0, 0, 0);
            }
        }
        for request in self.requests.iter_mut().filter(|request| request.phase == Phase::Over) {
            *request = Request { phase: Phase::Over, ..Request::default() };
        }
        let mut names = self.renumber();
        names.lanes = self.order_of_lanes(case.lanes);
        let mut by_content: [u8; REQUESTS] = std::array::from_fn(|at| at as u8);
        by_content.sort_by_key(|number| {
            let Request { phase, lane, ticket, serial, worker, mark } = self.requests[usize::from(*number)];
            (phase, names.lanes[usize::from(lane)], ticket, serial, worker, mark)
        });
        for (new, old) in (0..).zip(by_content) {
            names.requests[usize::from(old)] = new;
        }
        self.rename(&names);
        self.ends.items_mut().sort_unstable();
        (self, names)
    }

    /// Serials and tickets without gaps, in their order.
    fn renumber(&self) -> Names {
        let (mut serials, mut tickets) = (1_u32 << self.root.next_serial, 1_u32 << self.root.next_ticket);
        let mut grant = |grant: &Grant| {
            serials |= 1 << grant.serial;
            tickets |= 1 << grant.ticket;
        };
        for lane in &self.lanes {
            lane.queue.items().iter().for_each(&mut grant);
            lane.under_way.items().iter().for_each(&mut grant);
        }
        for lane in &self.lanes {
            lane.lost.items().iter().for_each(|(serial, _)| serials |= 1 << serial);
            match lane.at {
                At::Swap(serial, _, ticket) => {
                    serials |= 1 << serial;
                    tickets |= 1 << ticket;
                }
                At::Mark(serial, _)
                | At::MarkLate(serial, _)
                | At::Accept(_, serial, _)
                | At::Resume(_, serial, _) => serials |= 1 << serial,
                At::Idle | At::Go(_) | At::Audit => {}
            }
            match lane.task {
                Task::Release(serial, _) | Task::Adopt(_, serial, _) | Task::Note(_, serial) => {
                    serials |= 1 << serial
                }
                Task::Cancel(ticket) => tickets |= 1 << ticket,
                _ => {}
            }
        }
        self.root.ledger.items().iter().for_each(|held| serials |= 1 << held.serial);
        self.root.line.items().iter().for_each(|place| tickets |= 1 << place.ticket);
        self.ends.items().iter().for_each(|(_, serial)| serials |= 1 << serial);
        for request in &self.requests {
            serials |= 1 << request.serial | 1 << request.mark;
            tickets |= 1 << request.ticket;
        }
        let mut names = Names::identity();
        names.serials = dense(serials);
        names.tickets = dense(tickets);
        names
    }

    fn order_of_lanes(&self, lanes: usize) -> [u8; LANES] {
        let mut order: [u8; LANES] = std::array::from_fn(|at| at as u8);
        order[..lanes].sort_by_key(|number| self.signature(*number));
        let mut names = [0; LANES];
        for (new, old) in (0..).zip(order) {
            names[usize::from(old)] = new;
        }
        names
    }

    /// Returns what distinguishes a lane from the others without naming any.
    fn signature(&self, number: u8) -> impl Ord + use<> {
        let lane = &self.lanes[usize::from(number)];
        let held = self.root.ledger.items().iter().filter(|held| held.lane == number);
        let places = self.root.line.items().iter().filter(|place| place.lane == number);
        let grants = |grants: &[Grant]| grants.iter().fold(0_u32, |all, grant| all | 1 << grant.serial);
        let mut requests = [(0_u32, 0_u32, 0_u32, 0_u8); 9];
        for request in self.requests.iter().filter(|request| request.lane == number) {
            let (tickets, serials, marks, count) = &mut requests[request.phase as usize];
            *tickets |= 1 << request.ticket;
            *serials |= 1 << request.serial;
            *marks |= 1 << request.mark;
            *count += 1;
        }
        let at = match lane.at {
            At::Idle => (0, 0),
            At::Mark(serial, _) => (1, serial),
            At::Swap(serial, ..) => (2, serial),
            At::MarkLate(serial, _) => (3, serial),
            At::Go(_) => (4, 0),
            At::Accept(_, serial, _) => (5, serial),
            At::Resume(_, serial, _) => (6, serial),
            At::Audit => (7, 0),
        };
        let task = match lane.task {
            Task::None => (0, 0),
            Task::Take(_) => (1, 0),
            Task::Rejoin(_) => (2, 0),
            Task::Cancel(ticket) => (3, ticket),
            Task::Withdraw(_) => (4, 0),
            Task::Release(serial, _) => (5, serial),
            Task::Evict(_) => (6, 0),
            Task::Note(_, serial) => (7, serial),
            Task::Change => (8, 0),
            Task::Adopt(_, serial, _) => (9, serial),
        };
        (
            (lane.is_dead, lane.is_executor, lane.liveness, lane.is_stale, at, task),
            held.fold(0_u32, |all, held| all | 1 << held.serial),
            places.fold(0_u32, |all, place| all | 1 << place.ticket),
            requests,
            (grants(lane.queue.items()), grants(lane.under_way.items())),
            (lane.strays, lane.found, lane.late.count_ones(), lane.astray.count_ones()),
        )
    }

    fn rename(&mut self, names: &Names) {
        let lane = |number: &mut u8| *number = names.lanes[usize::from(*number)];
        let serial = |number: &mut u8| *number = names.serials[usize::from(*number)];
        let ticket = |number: &mut u8| *number = names.tickets[usize::from(*number)];
        let request = |number: &mut u8| *number = names.requests[usize::from(*number)];
        let grant = |grant: &mut Grant| {
            lane(&mut grant.lane);
            serial(&mut grant.serial);
            ticket(&mut grant.ticket);
        };
        let root = &mut self.root;
        serial(&mut root.next_serial);
        ticket(&mut root.next_ticket);
        for held in root.ledger.items_mut() {
            serial(&mut held.serial);
            lane(&mut held.lane);
        }
        for place in root.line.items_mut() {
            ticket(&mut place.ticket);
            lane(&mut place.lane);
        }
        for (number, of) in self.ends.items_mut() {
            lane(number);
            serial(of);
        }
        for one in &mut self.lanes {
            one.queue.items_mut().iter_mut().for_each(grant);
            one.under_way.items_mut().iter_mut().for_each(grant);
            one.lost.items_mut().iter_mut().for_each(|(number, _)| serial(number));
            match &mut one.at {
                At::Swap(number, _, of) => {
                    serial(number);
                    ticket(of);
                }
                At::Mark(number, _) | At::MarkLate(number, _) => serial(number),
                At::Accept(of, number, _) | At::Resume(of, number, _) => {
                    request(of);
                    serial(number);
                }
                At::Go(of) => request(of),
                At::Idle | At::Audit => {}
            }
            match &mut one.task {
                Task::Take(of) | Task::Rejoin(of) | Task::Withdraw(of) => request(of),
                Task::Cancel(of) => ticket(of),
                Task::Release(number, _) => serial(number),
                Task::Adopt(of, number, _) => {
                    request(of);
                    serial(number);
                }
                Task::Evict(of) => lane(of),
                Task::Note(of, number) => {
                    lane(of);
                    serial(number);
                }
                Task::None | Task::Change => {}
            }
            // 0 is the name of a number that nothing else knows.
            one.strays = rename_set(one.strays, &names.serials) & !1;
            one.found = rename_set(one.found, &names.serials) & !1;
            for set in [&mut one.to_withdraw, &mut one.astray, &mut one.late, &mut one.late_twice] {
                *set = rename_set(u32::from(*set), &names.requests) as u8;
            }
        }
        for one in &mut self.requests {
            if !matches!(one.phase, Phase::ToCome | Phase::Over) {
                lane(&mut one.lane);
            }
            ticket(&mut one.ticket);
            serial(&mut one.serial);
            serial(&mut one.mark);
        }
        let (lanes, requests): ([Lane; LANES], [Request; REQUESTS]) = (self.lanes, self.requests);
        for (old, one) in lanes.into_iter().enumerate() {
            self.lanes[usize::from(names.lanes[old])] = one;
        }
        for (old, one) in requests.into_iter().enumerate() {
            self.requests[usize::from(names.requests[old])] = one;
        }
    }
}

impl Names {
    fn identity() -> Self {
        let all = std::array::from_fn(|at| at as u8);
        Self {
            lanes: std::array::from_fn(|at| at as u8),
            requests: std::array::from_fn(|at| at as u8),
            serials: all,
            tickets: all,
        }
    }
}

/// Returns new names without gaps for the numbers of a set. 0 stays, and is the name of a number that nothing knows.
fn dense(set: u32) -> [u8; 32] {
    let mut names = [0; 32];
    let mut next = 0;
    for (_, name) in (0..).zip(&mut names).skip(1).filter(|(old, _)| set & 1 << old != 0) {
        next += 1;
        *name = next;
    }
    names
}

/// Returns the set under its new names.
fn rename_set(set: u32, names: &[u8]) -> u32 {
    (0..).zip(names).filter(|(old, _)| set & 1 << old != 0).fold(0, |all, (_, new)| all | 1 << new)
}
