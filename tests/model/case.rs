//! What may happen in one exploration.

use crate::{
    defect::Defect,
    state::{LANES, WORKERS},
};

/// One exploration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: &'static str,
    /// Lanes.
    pub(crate) lanes: usize,
    /// Requests that come, at most.
    pub(crate) requests: usize,
    /// The workers' first capacities.
    pub(crate) capacity: [u8; WORKERS],
    /// The worker whose capacity changes once, and its new one.
    pub(crate) change: Option<(u8, u8)>,
    /// One lane may trap.
    pub(crate) may_trap: bool,
    /// One lane may be believed dead that lives.
    pub(crate) may_stall: bool,
    /// Clients may leave, and deadlines come.
    pub(crate) may_leave: bool,
    /// Requests may take for ever: no slot comes back because its request must be over. Then a lane may not die while
    /// a slot is in its hands alone, and the witness is asked about every stream.
    pub(crate) for_ever: bool,
    /// The protocol's defect.
    pub(crate) defect: Option<Defect>,
}

impl Case {
    const BASE: Self = Self {
        name: "",
        lanes: LANES,
        requests: 4,
        capacity: [1, 1],
        change: None,
        may_trap: false,
        may_stall: false,
        may_leave: true,
        for_ever: false,
        defect: None,
    };

    const TRAP: Self =
        Self { name: "2 lanes, 3 requests, a trap", lanes: 2, requests: 3, may_trap: true, ..Self::BASE };
    const TRAP_FOR_EVER: Self =
        Self { name: "2 lanes, 3 requests, a trap, no end", for_ever: true, ..Self::TRAP };
    const STALL: Self =
        Self { name: "2 lanes, 3 requests, a stall", may_trap: false, may_stall: true, ..Self::TRAP };
    const BOTH: Self = Self {
        name: "2 lanes, 1 worker, a trap, a stall",
        requests: 2,
        capacity: [1, 0],
        may_trap: true,
        ..Self::STALL
    };
    const GROW: Self = Self { name: "3 lanes, 4 requests, grow", change: Some((0, 2)), ..Self::BASE };
    const SHRINK: Self =
        Self { name: "3 lanes, 4 requests, shrink", capacity: [1, 2], change: Some((1, 1)), ..Self::BASE };

    /// The cases of every run.
    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self { name: "3 lanes, 4 requests", ..Self::BASE },
            Self::GROW,
            Self::SHRINK,
            Self { name: "3 lanes, 4 requests, remove", change: Some((1, 0)), ..Self::BASE },
            Self::TRAP,
            Self::TRAP_FOR_EVER,
            Self { name: "3 lanes, 1 worker, a trap", lanes: 3, capacity: [1, 0], ..Self::TRAP },
            Self {
                name: "2 lanes, 2 requests, a trap, remove",
                requests: 2,
                change: Some((1, 0)),
                ..Self::TRAP
            },
            Self::STALL,
            Self::BOTH,
        ]
    }

    /// Cases that take minutes.
    pub(crate) fn large() -> Vec<Self> {
        vec![
            Self { name: "3 lanes, 3 requests, a trap", lanes: 3, ..Self::TRAP },
            Self {
                name: "3 lanes, 3 requests, a trap, remove",
                lanes: 3,
                change: Some((1, 0)),
                ..Self::TRAP
            },
            Self { name: "3 lanes, 3 requests, a stall", lanes: 3, ..Self::STALL },
            Self { name: "2 lanes, 2 requests, a trap, a stall", capacity: [1, 1], ..Self::BOTH },
            Self { name: "3 lanes, 2 requests, a trap", lanes: 3, requests: 2, ..Self::TRAP },
        ]
    }

    /// Where a defect is looked for, one case after the other.
    pub(crate) fn for_defects(defect: Defect) -> Vec<Self> {
        match defect {
            Defect::MintOneMore => vec![Self::GROW],
            Defect::ReuseSurplus | Defect::KeepSurplus => vec![Self::SHRINK],
            Defect::NoTakeover | Defect::MarkAfter | Defect::MarkNever => vec![Self::TRAP_FOR_EVER],
            Defect::NoRejoin => vec![Self::STALL],
            Defect::ForgetForEver => vec![Self::BOTH],
            Defect::WitnessOfOther => {
                vec![Self { name: "3 lanes, 1 worker, a trap, a stall", lanes: 3, ..Self::BOTH }]
            }
            _ => vec![Self::TRAP, Self::STALL],
        }
    }
}
