//! What every component of a lane uses: the host, the contexts, the lane's number, the configuration and the pools.

use std::rc::Rc;

use slotway_engine::LaneId;
use slotway_policy::{CoordinatorSettings, PoolRouter};

use crate::{
    abi::LogLevel,
    error::FilterError,
    host::{Host, HostError},
    pools::{PoolIndex, Pools},
    shared_state::share_pool_names,
};

/// The newest configuration, but for its pools.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) coordinator: CoordinatorSettings,
    pub(crate) router: PoolRouter<PoolIndex>,
}

/// This VM's place among the lanes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Enrolment {
    pub(crate) lane: LaneId,
    /// The shared queue whose messages wake this lane; 0 before it is registered.
    pub(crate) wake_up_queue: u32,
}

/// What every component of a lane uses.
pub(crate) struct LaneCore<H: Host> {
    pub(crate) host: H,
    /// The context whose callback is running.
    pub(crate) context: u32,
    /// The newest root context. It lives longer than older ones, so ticks and wake-ups are registered for it.
    pub(crate) root: u32,
    pub(crate) enrolment: Option<Enrolment>,
    pub(crate) settings: Option<Rc<Settings>>,
    pub(crate) pools: Pools<H>,
    /// The longest time, in milliseconds, for which a request of this lane can hold a slot, over all its configurations.
    pub(crate) hold_ms_max: u64,
}

impl<H: Host> LaneCore<H> {
    pub(crate) fn new(host: H) -> Self {
        Self {
            pools: Pools::new(host.clone()),
            host,
            context: 0,
            root: 0,
            enrolment: None,
            settings: None,
            hold_ms_max: 0,
        }
    }

    /// Returns this lane's number, once it has joined the others.
    pub(crate) fn lane(&self) -> Option<LaneId> {
        self.enrolment.map(|enrolment| enrolment.lane)
    }

    /// Returns whether the access log's fields are set.
    pub(crate) fn has_log_fields(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.coordinator.access_log_fields)
    }

    /// Runs `act` with `context` as the effective context.
    pub(crate) fn as_context<R>(&self, context: u32, act: impl FnOnce() -> R) -> Result<R, HostError> {
        self.host.as_context(self.context, context, act)
    }

    /// Registers the newest root context as the one that a queue's messages wake. Creates the queue if it does not exist.
    pub(crate) fn register_queue(&self, name: &str) -> Result<u32, HostError> {
        self.as_context(self.root, || self.host.register_queue(name))?
    }

    /// Adds this lane's pools to the list of all pools, and takes over the other lanes' pools.
    pub(crate) fn share_pool_names(&mut self) {
        match share_pool_names(&self.host, &self.pools.names()) {
            Ok(names) => self.pools.add_unknown(names),
            Err(error) => self.log_error("the names of the pools cannot be shared", &error),
        }
    }

    /// Logs an event that an operator may want to know.
    pub(crate) fn log_warning(&self, what: &str) {
        self.host.log(LogLevel::Warn, &format!("slotway: {what}"));
    }

    /// Logs a failure.
    pub(crate) fn log_error(&self, what: &str, error: &FilterError) {
        let lane = self.lane().map_or_else(|| "?".to_owned(), |lane| lane.to_string());
        self.host.log(LogLevel::Error, &format!("slotway: lane {lane}: {what}: {error}"));
    }
}
