//! What there is at one moment: the shared state, the lanes with their local variables, the requests.

use crate::list::List;

/// A lane's number.
pub(crate) type LaneNumber = u8;
/// A request's number.
pub(crate) type RequestNumber = u8;
/// A slot's way out. 0 is none.
pub(crate) type Serial = u8;
/// A place in the line. 0 is none.
pub(crate) type Ticket = u8;

/// Lanes in a case, at most.
pub(crate) const LANES: usize = 3;
/// Requests in a case, at most.
pub(crate) const REQUESTS: usize = 4;
/// Workers in a case.
pub(crate) const WORKERS: usize = 2;
/// Slots that there can be at once, those that a defect makes included.
const SLOTS: usize = 8;

/// A slot that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct LedgerEntry {
    /// Its number.
    pub(crate) serial: Serial,
    /// The lane whose request has it, or to which it is on its way.
    pub(crate) lane: LaneNumber,
    /// Whose slot it is.
    pub(crate) worker: u8,
    /// The witness has said that its request is over.
    pub(crate) is_over: bool,
}

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct LineEntry {
    /// Its number.
    pub(crate) ticket: Ticket,
    /// The lane that holds the waiter.
    pub(crate) lane: LaneNumber,
}

/// A slot for a waiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Grant {
    /// The lane that holds the waiter.
    pub(crate) lane: LaneNumber,
    /// Which waiter.
    pub(crate) ticket: Ticket,
    /// Whose slot.
    pub(crate) worker: u8,
    /// The number by which it comes back.
    pub(crate) serial: Serial,
}

/// The root with what the engine keeps in pages: what one compare-and-swap exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Root {
    /// The slots that nobody has, by worker; the head first.
    pub(crate) free: List<u8, SLOTS>,
    /// Who waits, the longest first.
    pub(crate) line: List<LineEntry, 5>,
    /// The next place's number.
    pub(crate) next_ticket: Ticket,
    /// The slots that are out, in the order of their serials.
    pub(crate) ledger: List<LedgerEntry, SLOTS>,
    /// The next slot's number.
    pub(crate) next_serial: Serial,
    /// Each worker's slots, surplus ones included.
    pub(crate) slots: [u8; WORKERS],
    /// Each worker's capacity in force.
    pub(crate) capacity: [u8; WORKERS],
    /// The change of capacity is in force.
    pub(crate) is_changed: bool,
}

impl Root {
    /// Whether a place has left the line at its head.
    pub(crate) fn is_past(&self, ticket: Ticket) -> bool {
        ticket < self.line.items().first().map_or(self.next_ticket, |place| place.ticket)
    }

    /// The slot of a serial that is out.
    pub(crate) fn held(&self, serial: Serial) -> Option<&LedgerEntry> {
        self.ledger.items().iter().find(|held| held.serial == serial)
    }

    /// How many of a worker's slots are out.
    pub(crate) fn out(&self, worker: u8) -> u8 {
        self.ledger.items().iter().filter(|held| held.worker == worker).count() as u8
    }
}

/// Where a request is. The order is that of the canonical form.
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
    /// The worker has answered; its lane is giving the slot back.
    Ending,
    /// Its client has gone; its lane gives the slot back with the next tick.
    Abandoned,
    /// Its lane has died before it got to a worker, or while its slot was given back: the stream will fail.
    Orphan,
    /// Its lane has died; it is at its worker still.
    RunningOrphan,
    /// It has ended.
    Over,
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Request {
    /// Where it is.
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
    /// Whether it is at a worker.
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
    /// Takes a slot or a place for a request.
    Take(RequestNumber),
    /// The same for a waiter that has lost its place.
    Rejoin(RequestNumber),
    /// Takes a waiter that has gone out of the line.
    Cancel(Ticket),
    /// Takes a waiter out of the line, to join again: the lane was believed dead.
    Withdraw(RequestNumber),
    /// Gives a slot back: its serial and worker.
    Release(Serial, u8),
    /// Takes up a stray slot for a waiter, under a new serial: request, serial and worker.
    Adopt(RequestNumber, Serial, u8),
    /// Takes a dead lane's places out of the line.
    Evict(LaneNumber),
    /// Notes the witness' word.
    Note(LaneNumber, Serial),
    /// Puts the new capacity in force.
    Change,
}

/// Where a lane is between two host calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum At {
    /// Between two callbacks.
    #[default]
    Idle,
    /// It has read the root and is about to mark the stream with the slot that it will take.
    Mark(Serial, u8),
    /// It is about to exchange the root. What it will have taken, if it takes: serial and worker, or a ticket.
    Swap(Serial, u8, Ticket),
    /// It has taken a slot and is about to mark the stream (a defect).
    MarkLate(Serial, u8),
    /// The slot is taken and the stream marked; it is about to let the request go on.
    Go(RequestNumber),
    /// A waiter has been given a slot: it is about to mark its stream.
    Accept(RequestNumber, Serial, u8),
    /// It is about to resume the stream.
    Resume(RequestNumber, Serial, u8),
    /// The audit is about to look at the ledger.
    Audit,
}

/// What the table of lanes says of a lane.
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
    /// It looks after the dead.
    pub(crate) is_executor: bool,
    /// What the table says.
    pub(crate) liveness: Liveness,
    /// Where it is.
    pub(crate) at: At,
    /// What it is doing there.
    pub(crate) task: Task,
    /// The root has been exchanged since it read it.
    pub(crate) is_stale: bool,
    /// Slots that it brings to their waiters.
    pub(crate) under_way: List<Grant, 4>,
    /// Waiters that are still to be withdrawn after it was believed dead (a set of requests).
    pub(crate) to_withdraw: u8,
    /// The audit: waiters that have left the line, nobody knows how (requests).
    pub(crate) astray: u8,
    /// Waiters that were served and have not got their slots (requests).
    pub(crate) late: u8,
    /// Those of them that were so at the audit before, and are being looked after (requests).
    pub(crate) late_twice: u8,
    /// Slots that it did not know at the last audit (serials).
    pub(crate) strays: u32,
    /// Strays that were given to a waiter or back (serials).
    pub(crate) found: u32,
    /// Strays that are still to be looked after in this audit: serial and worker.
    pub(crate) lost: List<(Serial, u8), 4>,
    /// There were none: late waiters are still to join again.
    pub(crate) may_rejoin: bool,
    /// Its wake-up queue.
    pub(crate) queue: List<Grant, 5>,
}

impl Lane {
    /// Whether it is between two callbacks.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_dead
            && self.at == At::Idle
            && self.under_way.is_empty()
            && self.to_withdraw == 0
            && self.lost.is_empty()
            && self.late_twice == 0
    }
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct State {
    /// The shared state.
    pub(crate) root: Root,
    /// The lanes.
    pub(crate) lanes: [Lane; LANES],
    /// The requests.
    pub(crate) requests: [Request; REQUESTS],
    /// What the witness has sent, in no order: lane and serial.
    pub(crate) ends: List<(LaneNumber, Serial), 5>,
    /// How many slots of each worker may be out: its capacity, or what was out before it shrank.
    pub(crate) out_max: [u8; WORKERS],
    /// A lane has trapped.
    pub(crate) has_trapped: bool,
    /// A living lane was believed dead.
    pub(crate) has_stalled: bool,
}

impl State {
    /// The requests of a lane in a phase.
    pub(crate) fn of_lane(&self, lane: LaneNumber, phase: Phase) -> impl Iterator<Item = RequestNumber> + '_ {
        let wanted = move |request: &Request| request.lane == lane && request.phase == phase;
        (0..).zip(&self.requests).filter(move |(_, request)| wanted(request)).map(|(number, _)| number)
    }

    /// A lane's waiter with a ticket.
    pub(crate) fn waiter(&self, lane: LaneNumber, ticket: Ticket) -> Option<RequestNumber> {
        self.of_lane(lane, Phase::Waiting).find(|number| self.requests[usize::from(*number)].ticket == ticket)
    }

    /// Whether a request that has this slot is at its worker.
    pub(crate) fn runs(&self, serial: Serial) -> bool {
        self.requests.iter().any(|request| request.is_running() && request.serial == serial)
    }
}
