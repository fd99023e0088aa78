//! Counts of what has happened, which show that a batch has exercised everything.

use std::ops::AddAssign;

/// Builds the list of kinds, each with the text of its line.
macro_rules! kinds {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// A kind of event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Kind { $(#[doc = $text] $name),* }

        impl Kind {
            /// All kinds, in the order of the report.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the kind's line in the report.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

kinds! {
    Request = "requests",
    TookAtOnce = "requests that got a slot at once",
    Waited = "requests that had to wait",
    GrantedHere = "slots granted to a waiter of the same lane",
    GrantedAcross = "slots granted to a waiter of another lane",
    WaitTimeout = "refused: wait_timeout",
    QueueFull = "refused: queue_full",
    NoWorkers = "refused: no_workers",
    NoPool = "refused: no_pool",
    Internal = "refused: internal (a host call failed)",
    GoneWaiting = "clients that left while they waited",
    GoneRunning = "clients that left while the worker was busy",
    GoneReading = "clients that left within the answer",
    Answered = "answers in full",
    InParts = "answers in several parts",
    SlowReader = "clients that read slowly",
    SlowBody = "requests whose body came later",
    ConnectFailed = "workers failed: connection refused",
    ResetBefore = "workers failed: reset before the answer",
    ResetWithin = "workers failed: reset within the answer",
    Overflow = "workers failed: circuit breaker",
    Timeout = "workers failed: too slow",
    NoCluster = "workers failed: no such cluster",
    ContinuedAfterLeave = "requests that a worker computed after their client had left",
    Parked = "workers parked",
    PushUp = "pushes: capacity up",
    PushDown = "pushes: capacity down",
    PushToOne = "pushes: capacity to 1",
    PushWorkerGone = "pushes: worker removed",
    PushWorkerBack = "pushes: worker added",
    PushPoolGone = "pushes: pool removed",
    PushPoolBack = "pushes: pool added",
    PushPolicy = "pushes: policy changed",
    PushRefused = "pushes that a canary refused (a host call failed)",
    PushLate = "lanes that took a push later than others",
    RootRetired = "root contexts retired",
    TrapAtCall = "lanes trapped at a host call",
    TrapIdle = "lanes trapped between two callbacks",
    VmRestarted = "VMs restarted",
    LaneDeclaredDead = "lanes that were declared dead",
    RecoveredLate = "runs in which a dead lane's slot came back only when its request had to be over",
    FailedStream = "streams that Envoy ended since their VM was dead",
    StallIdle = "lanes stalled between two events",
    StallBusy = "lanes stalled within an event",
    JumpMonotonic = "jumps of the monotonic clock",
    JumpBack = "jumps of the operator's clock, back",
    JumpForward = "jumps of the operator's clock, forward",
    LateWakeup = "wake-ups that came late",
    OldRootWakeup = "wake-ups for an old root context",
    LostWakeup = "wake-ups that found no VM or no context",
    StrayWakeup = "wake-ups to a VM that took a dead one's place",
    CasConflict = "compare-and-swaps that another lane won",
    Interleaved = "host calls between which another lane ran",
    PageSpill = "transitions of a pool larger than its root",
    ReportAnswered = "reports answered",
    ReportRefused = "reports refused or cut off",
    FaultNotFound = "host calls failed: NotFound",
    FaultBadArgument = "host calls failed: BadArgument",
    FaultSerialization = "host calls failed: SerializationFailure",
    FaultParse = "host calls failed: ParseFailure",
    FaultExpression = "host calls failed: BadExpression",
    FaultMemory = "host calls failed: InvalidMemoryAccess",
    FaultEmpty = "host calls failed: Empty",
    FaultCas = "host calls failed: CasMismatch",
    FaultResult = "host calls failed: ResultMismatch",
    FaultInternal = "host calls failed: InternalFailure",
    FaultConnection = "host calls failed: BrokenConnection",
    FaultUnimplemented = "host calls failed: Unimplemented",
}

/// How often each kind happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage(Vec<u64>);

impl Default for Coverage {
    fn default() -> Self {
        Self(vec![0; Kind::ALL.len()])
    }
}

impl Coverage {
    pub(crate) fn note(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    pub(crate) fn add(&mut self, kind: Kind, times: u64) {
        self.0[kind as usize] += times;
    }

    /// Returns how often a kind happened.
    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }

    /// Returns the kinds that never happened.
    pub fn missing(&self) -> impl Iterator<Item = Kind> + '_ {
        Kind::ALL.iter().copied().filter(|kind| self.of(*kind) == 0)
    }
}

impl AddAssign<&Self> for Coverage {
    fn add_assign(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }
}
