//! Seeded defects, to show that the simulator finds them: only in builds with the feature `mutants`, never in a release.
//!
//! One module has them all; which of them is active is said at run time. Without the feature [`active`] is constantly
//! false, and nothing of them is left.

/// Builds the list of defects, each with its name and what it does.
macro_rules! mutants {
    ($($name:ident = $title:literal, $what:literal;)*) => {
        /// A defect.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Mutant { $(#[doc = $what] $name),* }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What it does.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Self::$name => $what),* }
            }
        }
    };
}

mutants! {
    ReleaseTwice = "release twice", "a slot that comes back is given out twice";
    KeepInLedger = "release forever", "a slot that has come back stays in the ledger, and can come back again";
    IgnoreSurplus = "ignore a retired slot", "a surplus slot of a worker that has shrunk is given out again";
    Barge = "barging", "a slot that comes back goes to the queue although requests wait: a newcomer takes it";
    LastFirst = "LIFO line", "the newest waiter is served first";
    MintOneMore = "mint too many", "a worker that grows gets a slot more than its capacity says";
    MintTooSoon = "mint too soon", "a worker that grows gets new slots although surplus ones are still out";
    ForgetParked = "forget the parked slots", "a worker that answers again does not get its parked slots back";
    NoProbe = "no probe", "a worker that could not be reached is never tried again";
    ReuseSerial = "reuse serials", "a slot's serial is used again when it is back";
    ForgetAged = "forget old slots", "what leaves the ledger's young part is not stored in its pages";
    ShareTicket = "two waiters, one ticket", "a waiter gets the ticket of the one before it";
    NoLimit = "no limit", "more wait than max_waiting";
    OldGeneration = "older configuration wins", "a lane that takes a configuration late puts it in force over a newer one";
    IgnoreMismatch = "ignore the CAS mismatch", "an exchange that another lane won is taken for one's own";
    TrustGuess = "trust a guess", "what a lane finds out from the state that it remembers counts without an exchange";
    NoPages = "log not stored", "the pages of a transition's log are never stored under their keys";
    ForgetCancel = "forget a cancel", "a waiter whose client has left stays in the line";
    DropWakeUp = "drop a wake-up", "a slot that arrives for a waiter is forgotten";
    DropUnclaimed = "drop a grant to a gone waiter", "a slot whose waiter has gone is not given back";
    NoDeadline = "deadline ignored", "a waiter whose time is over goes on waiting";
    OldRootWoken = "queue not registered", "a new root context does not register the wake-up queue";
    NoRecovery = "leak at a trap", "nobody looks after a lane that has died";
    NoEviction = "the dead stay in line", "a dead lane's places stay in the line";
    OverAtOnce = "dead lane's slots at once", "a dead lane's slots are given back while its requests still run";
    TrustWitness = "evidence of the living", "the witness' word about a living lane's request is acted on";
    NoHold = "no hold", "a slot is free at once although its worker may go on for a while";
    FreeAtHeaders = "free at headers", "a slot is free when the answer begins";
    NoAudit = "no audit", "a lane does not look for slots that were sent to it by a lane that died";
}

/// Whether a defect is active.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
#[must_use]
pub const fn active(_: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
pub use chosen::{active, choose};

#[cfg(feature = "mutants")]
mod chosen {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::Mutant;

    static CHOSEN: AtomicU32 = AtomicU32::new(u32::MAX);

    /// Makes the defect of this number the active one; a number that no defect has makes none active.
    pub fn choose(number: u32) {
        CHOSEN.store(number, Relaxed);
    }

    /// Whether a defect is active.
    #[must_use]
    pub fn active(mutant: Mutant) -> bool {
        CHOSEN.load(Relaxed) == mutant as u32
    }
}
