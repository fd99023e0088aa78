//! A state: the shared state, the lanes with their local variables, the requests.

use crate::list::List;

/// A lane's number.
pub(crate) type LaneNumber = u8;
/// A request's number.
pub(crate) type RequestNumber = u8;
/// The serial of a slot that is out. 0 is none.
pub(crate) type Serial = u8;
/// A ticket in the line. 0 is none.
pub(crate) type Ticket = u8;

/// The most lanes of a case.
pub(crate) const LANES: usize = 3;
/// The most requests of a case.
pub(crate) const REQUESTS: usize = 4;
/// The number of workers of a case.
pub(crate) const WORKERS: usize = 2;
/// The most slots at once, including slots that a defect makes.
const SLOTS: usize = 8;

/// A slot that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct LedgerEntry {
    /// Its serial.
    pub(crate) serial: Serial,
    /// The lane whose request holds it, or to which it is on its way.
    pub(crate) lane: LaneNumber,
    /// The worker of the slot.
    pub(crate) worker: u8,
    /// The witness has told that its request is over.
    pub(crate) is_over: bool,
}

/// An entry of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct LineEntry {
    /// Its ticket.
    pub(crate) ticket: Ticket,
    /// The lane that holds the waiter.
    pub(crate) lane: LaneNumber,
}

/// A slot for a waiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Grant {
    /// The lane that holds the waiter.
    pub(crate) lane: LaneNumber,
    /// The ticket of the waiter.
    pub(crate) ticket: Ticket,
    /// The worker of the slot.
    pub(crate) worker: u8,
    /// The serial by which the slot comes back.
    pub(crate) serial: Serial,
}

/// The root, with what the engine keeps in pages: what one compare-and-swap exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Root {
    /// The free slots, by worker, from the head on.
    pub(crate) free: List<u8, SLOTS>,
    /// The waiters, the longest one first.
    pub(crate) line: List<LineEntry, 5>,
    /// The next ticket.
    pub(crate) next_ticket: Ticket,
    /// The slots that are out, in the order of their serials.
    pub(crate) ledger: List<LedgerEntry, SLOTS>,
    /// The next serial.
    pub(crate) next_serial: Serial,
    /// Each worker's slots, including surplus ones.
    pub(crate) slots: [u8; WORKERS],
    /// Each worker's capacity in force.
    pub(crate) capacity: [u8; WORKERS],
    /// The new capacity is in force.
    pub(crate) is_changed: bool,
}

impl Root {
    /// Returns whether a ticket has left the line at its head.
    pub(crate) fn is_past(&self, ticket: Ticket) -> bool {
        ticket < self.line.items().first().map_or(self.next_ticket, |place| place.ticket)
    }

    /// Returns the entry of a slot that is out.
    pub(crate) fn held(&self, serial: Serial) -> Option<&LedgerEntry> {
        self.ledger.items().iter().find(|held| held.serial == serial)
    }

    /// Returns how many of a worker's slots are out.
    pub(crate) fn out(&self, worker: u8) -> u8 {
        self.ledger.items().iter().filter(|held| held.worker == worker).count() as u8
    }
}

/// The phase of a request. The canonical form depends on the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Phase {
    /// It has not come yet.
    #[default]
    ToCome,
    /// Its lane is about to take a slot for it.
    Arriving,
    /// Its stream is paused.
    Waiting,
    /// It is at its worker.
    Running,
    /// The worker has answered, and its lane releases the slot.
    Ending,
    /// Its client has left, and its lane releases the slot with the next tick.
    Abandoned,
    /// Its lane has died before the request came to a worker, or while its slot was released: the stream will fail.
    Orphan,
    /// Its lane has died, and it is still at its worker.
    RunningOrphan,
    /// It has ended.
    Over,
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Request {
    /// Its phase.
    pub(crate) phase: Phase,
    /// Its lane.
    pub(crate) lane: LaneNumber,
    /// Its place in the line, while it waits.
    pub(crate) ticket: Ticket,
    /// Its slot.
    pub(crate) serial: Serial,
    /// Its worker.
    pub(crate) worker: u8,
    /// The mark of its stream, for the witness.
    pub(crate) mark: Serial,
}

impl Request {
    /// Returns whether it is at a worker.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::RunningOrphan)
    }
}

/// What a lane does in one transition of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Task {
    /// Nothing.
    #[default]
    None,
    /// Takes a slot or a place in the line for a request.
    Take(RequestNumber),
    /// Takes one for a waiter that has lost its place.
    Rejoin(RequestNumber),
    /// Removes a waiter whose client has left from the line.
    Cancel(Ticket),
    /// Removes a waiter from the line, to join again: the lane was declared dead.
    Withdraw(RequestNumber),
    /// Releases a slot: its serial and worker.
    Release(Serial, u8),
    /// Gives an unknown slot to a waiter, under a new serial: request, serial and worker.
    Adopt(RequestNumber, Serial, u8),
    /// Removes a dead lane's waiters from the line.
    Evict(LaneNumber),
    /// Notes a message of the witness.
    Note(LaneNumber, Serial),
    /// Puts the new capacity in force.
    Change,
}

/// The position of a lane between two host calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum At {
    /// Between two callbacks.
    #[default]
    Idle,
    /// It has read the root and is about to mark the stream with the slot that it will take.
    Mark(Serial, u8),
    /// It is about to exchange the root. What it will have taken, if it takes something: serial and worker, or a ticket.
    Swap(Serial, u8, Ticket),
    /// It has taken a slot and is about to mark the stream (a defect).
    MarkLate(Serial, u8),
    /// The slot is taken and the stream marked; it is about to let the request continue.
    Go(RequestNumber),
    /// A waiter has been given a slot: it is about to mark its stream.
    Accept(RequestNumber, Serial, u8),
    /// It is about to resume the stream.
    Resume(RequestNumber, Serial, u8),
    /// The audit is about to read the ledger.
    Audit,
}

/// The state of a lane in the table of lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum Liveness {
    /// It lives.
    #[default]
    Alive,
    /// It is declared dead, and its slots are recovered.
    Dead,
    /// It was declared dead, and everything of it is recovered.
    Forgotten,
}

/// A lane with its local variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Lane {
    /// Its VM has trapped.
    pub(crate) is_dead: bool,
    /// It recovers dead lanes.
    pub(crate) is_executor: bool,
    /// Its state in the table of lanes.
    pub(crate) liveness: Liveness,
    /// Its position.
    pub(crate) at: At,
    /// Its transition.
    pub(crate) task: Task,
    /// The root has been exchanged since it read it.
    pub(crate) is_stale: bool,
    /// Slots that it brings to their waiters.
    pub(crate) under_way: List<Grant, 4>,
    /// Waiters that still have to leave the line, after it was declared dead (a set of requests).
    pub(crate) to_withdraw: u8,
    /// The audit: waiters that left the line while the lane was declared dead, with a slot or without (requests).
    pub(crate) astray: u8,
    /// Waiters that were served and have no slot yet (requests).
    pub(crate) late: u8,
    /// Waiters that were late at the audit before too, and get a slot if there is one (requests).
    pub(crate) late_twice: u8,
    /// Slots that were unknown at the last audit (serials).
    pub(crate) strays: u32,
    /// Unknown slots that were given to a waiter or released (serials).
    pub(crate) found: u32,
    /// Unknown slots that this audit still has to handle: serial and worker.
    pub(crate) lost: List<(Serial, u8), 4>,
    /// There were none: late waiters still have to join again.
    pub(crate) may_rejoin: bool,
    /// Its wake-up queue.
    pub(crate) queue: List<Grant, 5>,
}

impl Lane {
    /// Returns whether it is between two callbacks.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_dead
            && self.at == At::Idle
            && self.under_way.is_empty()
            && self.to_withdraw == 0
            && self.lost.is_empty()
            && self.late_twice == 0
    }
}

/// A state of the whole model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct State {
    /// The shared state.
    pub(crate) root: Root,
    /// The lanes.
    pub(crate) lanes: [Lane; LANES],
    /// The requests.
    pub(crate) requests: [Request; REQUESTS],
    /// The witness' messages, in no order: lane and serial.
    pub(crate) ends: List<(LaneNumber, Serial), 5>,
    /// The most slots of each worker that may be out: its capacity, or the number before it shrank.
    pub(crate) out_max: [u8; WORKERS],
    /// A lane has trapped.
    pub(crate) has_trapped: bool,
    /// A living lane was declared dead.
    pub(crate) has_stalled: bool,
}

impl State {
    /// Returns the requests of a lane in a phase.
    pub(crate) fn of_lane(&self, lane: LaneNumber, phase: Phase) -> impl Iterator<Item = RequestNumber> + '_ {
        let wanted = move |request: &Request| request.lane == lane && request.phase == phase;
        (0..).zip(&self.requests).filter(move |(_, request)| wanted(request)).map(|(number, _)| number)
    }

    /// Returns a lane's waiter with a ticket.
    pub(crate) fn waiter(&self, lane: LaneNumber, ticket: Ticket) -> Option<RequestNumber> {
        self.of_lane(lane, Phase::Waiting).find(|number| self.requests[usize::from(*number)].ticket == ticket)
    }

    /// Returns whether the request with this slot is at its worker.
    pub(crate) fn runs(&self, serial: Serial) -> bool {
        self.requests.iter().any(|request| request.is_running() && request.serial == serial)
    }
}
