//! Host calls that fail.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    host::{CallSite, Faults, HostCall, Status, Verdict},
    sim::{coverage::Kind, dice::Dice, plan::Plan},
};

/// How often each status was returned, by its index in [`Status::FAILURES`]; shared with the host.
pub(crate) type FaultCounts = Arc<Mutex<[u64; 12]>>;

/// Makes host calls fail as the plan says.
pub(crate) struct Chance {
    dice: Dice,
    per_mille: u64,
    left: u64,
    calls: Vec<HostCall>,
    counts: FaultCounts,
}

impl Chance {
    pub(crate) fn new(plan: &Plan, dice: Dice, counts: FaultCounts) -> Self {
        let (per_mille, left) = (plan.fault_per_mille, plan.faults_max);
        Self { dice, per_mille, left, calls: plan.fault_calls.clone(), counts }
    }
}

impl Faults for Chance {
    fn verdict(&mut self, site: &CallSite) -> Verdict {
        if self.left == 0 || !self.calls.contains(&site.call) || !self.dice.per_mille(self.per_mille) {
            return Verdict::Proceed;
        }
        let at = self.dice.index(Status::FAILURES.len());
        let status = Status::FAILURES[at];
        if is_lie(site.call, status) {
            return Verdict::Proceed;
        }
        self.left -= 1;
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)[at] += 1;
        Verdict::Fail(status)
    }
}

/// Returns whether the status reports a wrong fact instead of a failure: that an existing key does not exist, or that a
/// queue with messages is empty. No filter can notice that.
fn is_lie(call: HostCall, status: Status) -> bool {
    matches!(
        (call, status),
        (HostCall::GetSharedData, Status::NotFound) | (HostCall::DequeueSharedQueue, Status::Empty)
    )
}

/// Returns the kind of a status, in the order of [`Status::FAILURES`].
pub(crate) const FAULT_KINDS: [Kind; 12] = [
    Kind::FaultNotFound,
    Kind::FaultBadArgument,
    Kind::FaultSerialization,
    Kind::FaultParse,
    Kind::FaultExpression,
    Kind::FaultMemory,
    Kind::FaultEmpty,
    Kind::FaultCas,
    Kind::FaultResult,
    Kind::FaultInternal,
    Kind::FaultConnection,
    Kind::FaultUnimplemented,
];
