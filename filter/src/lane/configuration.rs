//! Taking over a plugin configuration.

use std::rc::Rc;

use slotway_config::FilterConfig;
use slotway_engine::Abort;
use slotway_policy::{CoordinatorSettings, PoolRouter};

use super::Lane;
use crate::{
    abi::LogLevel,
    error::FilterError,
    host::{Host, HostError},
    lane_core::Settings,
    pools::LanePool,
    shared_state::LaneTable,
};

impl<H: Host> Lane<H> {
    /// Takes over a plugin configuration. `false` refuses it: the configuration before stays in force.
    ///
    /// The timer or the next request puts it in force, a moment later. If this VM died in this callback, Envoy would take the
    /// module for one that cannot be configured, and never configure another VM from it, on any thread
    /// (`getOrCreateThreadLocalPlugin` of proxy-wasm-cpp-host fails the base VM). So this callback only reads.
    pub(crate) fn on_configure(&mut self, root: u32, bytes: Result<Vec<u8>, HostError>) -> bool {
        let config = bytes
            .map_err(FilterError::from)
            .and_then(|bytes| Ok(FilterConfig::from_json(&bytes)?))
            .and_then(|config| check_formats(&self.core.host, &config).map(|()| config));
        let config = match config {
            Ok(config) => config,
            Err(error) => {
                let text = format!("slotway: configuration refused: {error}");
                self.core.host.log(LogLevel::Critical, &text);
                return false;
            }
        };
        self.core.root = root;
        self.reset_timer();
        self.adopt(&config);
        // A VM that is no lane yet may be one in which Envoy only tries a configuration.
        self.has_new_root = self.core.enrolment.is_some();
        true
    }

    /// Takes over policies and workers, for this lane.
    fn adopt(&mut self, config: &FilterConfig) {
        let longest = config.pools.iter().map(|pool| pool.held_ms_max().unwrap_or(u64::MAX)).max();
        self.core.hold_ms_max = self.core.hold_ms_max.max(longest.unwrap_or(0));
        let indexes = self.core.pools.configure(&config.pools);
        let matches = config.pools.iter().map(|pool| pool.matches.clone());
        self.core.settings = Some(Rc::new(Settings {
            coordinator: CoordinatorSettings::new(config),
            router: PoolRouter::new(matches.zip(indexes).collect()),
        }));
    }
}

/// Checks that the shared data of older and newer filters has the format of this one. Two filters that do not share a state
/// would give every slot out twice.
fn check_formats<H: Host>(host: &H, config: &FilterConfig) -> Result<(), FilterError> {
    let refuse_format = |error: FilterError| match error {
        FilterError::State(Abort::Format { .. }) => Err(error),
        // What cannot be read now is read again when it is needed.
        _ => Ok(()),
    };
    LaneTable::read(host).map_or_else(refuse_format, |_| Ok(()))?;
    for pool in &config.pools {
        LanePool::check_format(host.clone(), &pool.name).or_else(refuse_format)?;
    }
    Ok(())
}
