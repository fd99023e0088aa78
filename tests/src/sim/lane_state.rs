//! What the simulator knows about a lane, in addition to the host.

use crate::host::{StreamId, VmId};

/// The state of a lane.
#[derive(Debug, Clone, Default)]
pub(crate) struct LaneState {
    /// The time until which it is stalled.
    pub(crate) stalled_until_ns: u64,
    /// The beginning of its event.
    pub(crate) busy_since_ns: Option<u64>,
    /// The request whose headers its event is about.
    pub(crate) opening: Option<StreamId>,
    /// The request whose client leaves, and since when: its worker notices at the end of the event.
    pub(crate) leaving: Option<(StreamId, u64)>,
    /// Its event is a wake-up or a tick: slots that it brings to waiters come from elsewhere.
    pub(crate) woken: bool,
    /// Its event is a tick: at its end the newest configuration is in force.
    pub(crate) ticks: bool,
    /// It has not ticked since it took a configuration, which may not be in force.
    pub(crate) is_renewed: bool,
    /// Its newest host call has changed a pool.
    pub(crate) committed: bool,
    /// How long it was held up in total: stalled, or with the whole machine.
    pub(crate) held_up_ns: u64,
    /// Its VM at the last check; `None` if that is dead.
    pub(crate) alive: Option<VmId>,
    /// Its newest VM.
    pub(crate) vm: Option<VmId>,
    /// When the newest configuration on its way arrives.
    pub(crate) configured_ns: u64,
}
