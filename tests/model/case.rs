//! What may happen in one exploration.

use crate::{
    defect::Defect,
    state::{LANES, LaneNumber, Liveness, State, WORKERS},
};

/// One exploration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: &'static str,
    /// Lanes.
    pub(crate) lanes: usize,
    /// The most requests that come.
    pub(crate) requests: usize,
    /// The workers' first capacities.
    pub(crate) capacity: [u8; WORKERS],
    /// The worker whose capacity changes once, and its new one.
    pub(crate) change: Option<(u8, u8)>,
    /// One lane may trap.
    pub(crate) may_trap: bool,
    /// One living lane may be declared dead.
    pub(crate) may_stall: bool,
    /// Requests may last without a limit: no slot comes back because its request must be over. Then a lane does not die
    /// while it alone knows where a slot is, and Envoy calls the witness for every stream.
    pub(crate) is_endless: bool,
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
        is_endless: false,
        defect: None,
    };

    const GROW: Self = Self { name: "grow", change: Some((0, 2)), ..Self::BASE };
    const SHRINK: Self =
        Self { name: "1 and 2 slots, shrink", capacity: [1, 2], change: Some((1, 1)), ..Self::BASE };
    const TRAP: Self = Self { name: "a trap", may_trap: true, ..Self::BASE };
    const TRAP_ENDLESS: Self = Self { name: "a trap, requests without end", is_endless: true, ..Self::TRAP };
    const STALL: Self = Self { name: "2 lanes, a stall", lanes: 2, may_stall: true, ..Self::BASE };
    const BOTH: Self =
        Self { name: "2 lanes, 1 worker, a trap, a stall", capacity: [1, 0], may_trap: true, ..Self::STALL };

    /// Returns the cases of every run.
    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self { name: "no fault", ..Self::BASE },
            Self::GROW,
            Self::SHRINK,
            Self { name: "remove", change: Some((1, 0)), ..Self::BASE },
            Self::TRAP,
            Self::TRAP_ENDLESS,
            Self { name: "3 requests, a trap, grow", requests: 3, change: Some((0, 2)), ..Self::TRAP },
            Self { name: "3 requests, a trap, shrink", requests: 3, ..Self::SHRINK_TRAP },
            Self { name: "3 requests, a trap, remove", requests: 3, change: Some((1, 0)), ..Self::TRAP },
            Self::STALL,
            Self::BOTH,
        ]
    }

    const SHRINK_TRAP: Self = Self { may_trap: true, ..Self::SHRINK };

    /// Cases that take minutes.
    pub(crate) fn large() -> Vec<Self> {
        vec![
            Self { name: "a trap, remove", change: Some((1, 0)), ..Self::TRAP },
            Self { name: "a trap, shrink", ..Self::SHRINK_TRAP },
            Self { name: "3 lanes, 3 requests, a stall", lanes: 3, requests: 3, ..Self::STALL },
            Self { name: "2 lanes, 2 workers, a trap, a stall", capacity: [1, 1], ..Self::BOTH },
            Self { name: "a trap, grow", change: Some((0, 2)), ..Self::TRAP },
        ]
    }

    /// Returns the cases in which a defect is searched, one after the other.
    pub(crate) fn for_defects(defect: Defect) -> Vec<Self> {
        let two_lanes = |case: Self| Self { lanes: 2, ..case };
        match defect {
            Defect::MintOneMore => vec![Self::GROW],
            Defect::ReuseSurplus | Defect::KeepSurplus => vec![Self::SHRINK],
            Defect::NoTakeover | Defect::MarkAfter | Defect::MarkNever => {
                vec![two_lanes(Self::TRAP_ENDLESS)]
            }
            Defect::NoRejoin => vec![Self { requests: 3, ..Self::STALL }],
            Defect::RecoverOnce => vec![Self::BOTH],
            Defect::WitnessOfOther => {
                vec![Self { name: "1 worker, a trap, a stall", lanes: 3, ..Self::BOTH }]
            }
            _ => vec![two_lanes(Self::TRAP), Self::STALL],
        }
    }

    /// Returns whether a lane is, or can still become, dead or declared dead.
    pub(crate) fn may_be_dead(&self, state: &State, lane: LaneNumber) -> bool {
        let one = &state.lanes[usize::from(lane)];
        one.is_dead
            || one.liveness != Liveness::Alive
            || (self.may_trap && !state.has_trapped)
            || (self.may_stall && !state.has_stalled)
    }
}
