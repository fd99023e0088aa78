//! What the simulator knows of a lane beside the host.

use crate::host::{StreamId, VmId};

/// One lane's life.
#[derive(Debug, Clone, Default)]
pub(crate) struct LaneLife {
    /// Until when it does nothing.
    pub(crate) stalled_until_ns: u64,
    /// Since when its event is under way.
    pub(crate) busy_since_ns: Option<u64>,
    /// The request whose headers it is looking at.
    pub(crate) opening: Option<StreamId>,
    /// The request whose client leaves, and since when: its worker notices at the event's end.
    pub(crate) leaving: Option<(StreamId, u64)>,
    /// Its event is a wake-up or a tick: what it brings to waiters comes from elsewhere.
    pub(crate) woken: bool,
    /// Its event is a tick: when it is over, the newest configuration is in force.
    pub(crate) ticks: bool,
    /// It has not ticked since it took a configuration, which may not be in force.
    pub(crate) is_renewed: bool,
    /// Its newest host call has changed a pool.
    pub(crate) committed: bool,
    /// How long it was held up altogether: stalled, or with the whole machine.
    pub(crate) held_up_ns: u64,
    /// Its VM at the last look; `None` if that is dead.
    pub(crate) alive: Option<VmId>,
    /// The newest VM that it has had.
    pub(crate) vm: Option<VmId>,
    /// When the newest configuration that is on its way arrives.
    pub(crate) configured_ns: u64,
}
