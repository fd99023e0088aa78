//! Seeded defects, to show that the simulator finds them.
//!
//! One module contains all of them; a test selects the active one at run time.

/// Builds the list of defects, each with its title and what it does.
macro_rules! defects {
    ($($name:ident = $title:literal, $what:literal;)*) => {
        /// A seeded defect.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Defect { $(#[doc = $what] $name),* }

        impl Defect {
            /// All defects.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the defect's title.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// Returns what the defect does.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Self::$name => $what),* }
            }
        }
    };
}

defects! {
    ReleaseTwice = "release twice", "a returned slot is granted twice";
    KeepInLedger = "release forever", "a returned slot stays in the ledger and can be returned again";
    IgnoreSurplus = "ignore a retired slot", "a surplus slot of a worker that has shrunk is granted again";
    Barge = "barging", "a returned slot goes to the queue although requests wait: a new request takes it";
    LastFirst = "LIFO line", "the newest waiter is served first";
    MintOneMore = "mint too many", "a worker that grows gets one slot more than its capacity";
    MintTooSoon = "mint too soon", "a worker that grows gets new slots while surplus ones are still in flight";
    ForgetParked = "forget the parked slots", "a worker that answers again does not regain its parked slots";
    NoProbe = "no probe", "a worker that could not be reached is never probed";
    ReuseSerial = "reuse serials", "a slot's serial is used again after its return";
    ForgetAged = "forget old slots", "entries that leave the root's part of the ledger are not stored in its pages";
    ShareTicket = "two waiters, one ticket", "a waiter gets the ticket of the one before it";
    NoLimit = "no limit", "more requests wait than max_waiting";
    OldGeneration = "older configuration wins", "a lane that applies a configuration late replaces a newer one";
    IgnoreMismatch = "ignore the CAS mismatch", "a lane takes an exchange that another lane won for its own";
    TrustGuess = "trust a guess", "a result from the cached image counts without an exchange";
    NoPages = "log not stored", "the pages of a transition's log are never stored under their keys";
    ForgetCancel = "forget a cancel", "a waiter whose client has left stays in the line";
    DropWakeUp = "drop a wake-up", "a slot that arrives for a waiter is dropped";
    DropUnclaimed = "drop a grant to a gone waiter", "a slot whose waiter has left is not returned";
    NoDeadline = "deadline ignored", "a waiter continues to wait after its deadline";
    OldRootWoken = "queue not registered", "a new root context does not register the wake-up queue";
    NoRecovery = "leak at a trap", "no lane recovers a dead lane";
    NoEviction = "no eviction", "a dead lane's waiters stay in the line";
    OverAtOnce = "dead lane's slots at once", "a dead lane's slots are returned while its requests still run";
    TrustWitness = "trust the witness", "a slot of a living lane is released because the witness saw its request end";
    NoHold = "no hold", "a slot is free at once although abandoned_hold keeps it";
    FreeAtHeaders = "free at headers", "a slot is free when the answer begins";
    ReleaseBeforeClose = "release before the close", "a slot is free while the connection of its request is still open";
    NoAudit = "no audit", "a lane does not look for slots that a dead lane had sent to it";
}

/// Returns whether a defect is active: never, in a build without the feature `active`.
#[cfg(not(feature = "active"))]
#[inline(always)]
#[must_use]
pub const fn is_seeded(_: Defect) -> bool {
    false
}

/// Returns whether any defect is active.
#[cfg(not(feature = "active"))]
pub(crate) const fn is_any_seeded() -> bool {
    false
}

#[cfg(feature = "active")]
pub(crate) use selection::is_any_seeded;
#[cfg(feature = "active")]
pub use selection::{is_seeded, select};

#[cfg(feature = "active")]
mod selection {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::Defect;

    const NONE: u32 = u32::MAX;
    static SELECTED: AtomicU32 = AtomicU32::new(NONE);

    /// Makes the defect of this number the active one; a number that no defect has makes none active.
    pub fn select(number: u32) {
        SELECTED.store(number, Relaxed);
    }

    /// Returns whether a defect is active.
    #[must_use]
    pub fn is_seeded(defect: Defect) -> bool {
        SELECTED.load(Relaxed) == defect as u32
    }

    /// Returns whether any defect is active.
    pub(crate) fn is_any_seeded() -> bool {
        SELECTED.load(Relaxed) != NONE
    }
}
