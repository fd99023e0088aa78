//! Defects of the protocol, each of which the explorer has to find.

/// Builds the list of defects, each with what it does.
macro_rules! defects {
    ($($name:ident = $what:literal;)*) => {
        /// A defect.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Defect { $(#[doc = $what] $name),* }

        impl Defect {
            /// All of them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns what it does.
            pub(crate) fn what(self) -> &'static str {
                match self { $(Self::$name => $what),* }
            }
        }
    };
}

defects! {
    IgnoreMismatch = "an exchange that another lane won is taken for this lane's own";
    NoSerials = "a slot that is back already comes back again";
    ReuseSerial = "a serial is used again while a message still names it";
    Barge = "a slot that comes back goes to the queue although requests wait";
    LastFirst = "the newest waiter is served first";
    DropUnclaimed = "a slot whose waiter is gone is not released";
    ForgetCancel = "a waiter whose client has left stays in the line";
    ReuseSurplus = "a surplus slot that comes back is given out again";
    KeepSurplus = "free slots of a worker that has shrunk are not taken away";
    MintOneMore = "a worker that grows gets one slot too many";
    OverAtOnce = "a dead lane's slots come back at once, while its requests run";
    NoRelease = "no lane releases a dead lane's slots";
    NoEviction = "a dead lane's waiters stay in the line";
    NoTakeover = "a dead lane's wake-up queue is not taken over";
    NoAudit = "a lane does not look for slots that a dying lane has not sent";
    NoRejoin = "a lane that was declared dead forgets its waiters";
    TakeLate = "a message is used although the audit has found its slot";
    RecoverOnce = "a lane that was removed from the table, and continues, is not recovered again";
    KeepSerial = "a slot that the audit takes up keeps the serial that a late message names";
    TrustWitness = "a message of the witness releases a slot at once, also of a living lane";
    WitnessOfOther = "a message of the witness about one lane is noted for a slot of another";
    MarkAfter = "a stream is marked after its slot was taken, not before";
    MarkNever = "a stream that is resumed with a slot is not marked";
}
