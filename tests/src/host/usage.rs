use std::collections::BTreeMap;

use crate::host::{Callback, HostCall};

/// What VM calls cost: callbacks, host calls and fuel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// How often the host called the module.
    pub callbacks: BTreeMap<Callback, u64>,
    /// How often the module called the host.
    pub host_calls: BTreeMap<HostCall, u64>,
    /// Fuel consumed: about one unit for each wasm instruction; 0 if the host was built without fuel.
    pub fuel: u64,
}

impl Usage {
    /// Returns all host calls together.
    #[must_use]
    pub fn host_calls_total(&self) -> u64 {
        self.host_calls.values().sum()
    }

    /// Returns how often one host call was made.
    #[must_use]
    pub fn of(&self, call: HostCall) -> u64 {
        self.host_calls.get(&call).copied().unwrap_or_default()
    }

    pub(crate) fn count_callback(&mut self, callback: Callback) {
        *self.callbacks.entry(callback).or_default() += 1;
    }

    pub(crate) fn count(&mut self, call: HostCall) {
        *self.host_calls.entry(call).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (callback, count) in &other.callbacks {
            *self.callbacks.entry(*callback).or_default() += count;
        }
        for (call, count) in &other.host_calls {
            *self.host_calls.entry(*call).or_default() += count;
        }
        self.fuel += other.fuel;
    }
}
