use std::collections::VecDeque;

use crate::host::{HostCall, LaneIndex, Status};

/// One host call that is about to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSite {
    /// The lane that calls; `None` in a canary VM.
    pub lane: Option<LaneIndex>,
    /// The context that the call is attributed to.
    pub context: u32,
    /// The call.
    pub call: HostCall,
    /// Counts up over all host calls of this host.
    pub serial: u64,
}

/// What becomes of a host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Proceed,
    /// It is not done and answers this.
    Fail(Status),
    /// The VM traps at it.
    Trap,
}

/// Decides of each host call whether it fails.
pub trait Faults: Send {
    /// Called before each host call.
    fn verdict(&mut self, site: &CallSite) -> Verdict;
}

/// No faults but the ones that were ordered one by one.
#[derive(Default)]
pub(crate) struct FaultPlan {
    next: VecDeque<(HostCall, Verdict)>,
    faults: Option<Box<dyn Faults>>,
    serial: u64,
}

impl FaultPlan {
    pub(crate) fn order(&mut self, call: HostCall, verdict: Verdict) {
        self.next.push_back((call, verdict));
    }

    pub(crate) fn install(&mut self, faults: Option<Box<dyn Faults>>) {
        self.faults = faults;
    }

    /// Returns whether everything that was ordered has happened.
    pub(crate) fn is_spent(&self) -> bool {
        self.next.is_empty()
    }

    pub(crate) fn verdict(&mut self, lane: Option<LaneIndex>, context: u32, call: HostCall) -> Verdict {
        self.serial += 1;
        if let Some(at) = self.next.iter().position(|(ordered, _)| *ordered == call)
            && let Some((_, verdict)) = self.next.remove(at)
        {
            return verdict;
        }
        let site = CallSite { lane, context, call, serial: self.serial };
        self.faults.as_mut().map_or(Verdict::Proceed, |faults| faults.verdict(&site))
    }
}
