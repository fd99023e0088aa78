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

            /// What it does.
            pub(crate) fn what(self) -> &'static str {
                match self { $(Self::$name => $what),* }
            }
        }
    };
}

defects! {
    IgnoreMismatch = "an exchange that another lane won is taken for one's own";
    NoSerials = "a slot comes back once more where it is back already";
    ReuseSerial = "a serial is used again while a message still names it";
    Barge = "a slot that comes back goes to the queue although requests wait";
    LastFirst = "the newest waiter is served first";
    DropUnclaimed = "a slot whose waiter has gone is not given back";
    ForgetCancel = "a waiter that has gone stays in the line";
    ReuseSurplus = "a surplus slot that comes back is given out again";
    KeepSurplus = "free slots of a worker that has shrunk are not taken away";
    MintOneMore = "a worker that grows gets one slot too many";
    OverAtOnce = "a dead lane's slots come back at once, though its requests run";
    NoRelease = "nobody gives a dead lane's slots back";
    NoEviction = "a dead lane's places stay in the line";
    NoTakeover = "a dead lane's wake-up queue is not taken over";
    NoAudit = "a lane does not look for slots that a dying lane has not sent";
    NoRejoin = "a lane that was believed dead forgets its waiters";
    TakeLate = "a message is taken in although its slot was found by the audit";
    ForgetForEver = "a lane that was forgotten, and goes on, is not looked after again";
    KeepSerial = "a slot that the audit takes up keeps the serial that a late message names";
    TrustWitness = "the witness' word gives a slot back at once, whoever has it";
    WitnessOfOther = "the witness' word about one lane is noted for another's slot";
    MarkAfter = "a stream is marked after its slot was taken, not before";
    MarkNever = "a stream that is resumed with a slot is not marked";
}
