use std::{net::SocketAddr, path::Path};

use serde_json::{Value, json};

use super::TestWorker;

/// What a test wants to run: the configuration file of `slotway up`, of which YAML's JSON subset does.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) lanes: u32,
    debug_headers: bool,
    access_log: bool,
    xds_variant: &'static str,
    /// Further settings at the file's top, and of `envoy`.
    top: Vec<(&'static str, Value)>,
    envoy: Vec<(&'static str, Value)>,
    store: Option<String>,
    /// A pool that comes before the other one.
    first_pool: Option<Value>,
    pool: Value,
}

impl Default for Setup {
    /// One pool for every request, two lanes, no workers.
    fn default() -> Self {
        Self {
            lanes: 2,
            debug_headers: false,
            access_log: false,
            xds_variant: "incremental",
            top: Vec::new(),
            envoy: Vec::new(),
            store: None,
            first_pool: None,
            pool: json!({ "name": "test", "workers": [] }),
        }
    }
}

impl Setup {
    /// The default with these workers.
    pub(crate) fn with(workers: &[(&TestWorker, u32)]) -> Self {
        workers
            .iter()
            .fold(Self::default(), |setup, (worker, capacity)| setup.worker(&worker.url(), *capacity))
    }

    /// Adds a worker.
    pub(crate) fn worker(self, url: &str, capacity: u32) -> Self {
        self.worker_entry(json!({ "worker": url, "capacity": capacity }))
    }

    /// Adds a worker with all its settings.
    pub(crate) fn worker_entry(mut self, entry: Value) -> Self {
        self.pool["workers"].as_array_mut().unwrap().push(entry);
        self
    }

    /// Sets a field of the pool, such as `free_worker_timeout`.
    pub(crate) fn pool(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.pool[field] = value.into();
        self
    }

    /// Adds a pool before the other one, as the configuration file has it.
    pub(crate) fn first_pool(mut self, pool: Value) -> Self {
        self.first_pool = Some(pool);
        self
    }

    /// Sets a field at the file's top.
    pub(crate) fn top(mut self, field: &'static str, value: Value) -> Self {
        self.top.push((field, value));
        self
    }

    /// Sets a field of `envoy`.
    pub(crate) fn envoy(mut self, field: &'static str, value: Value) -> Self {
        self.envoy.push((field, value));
        self
    }

    /// Which variant of xDS Envoy speaks.
    pub(crate) fn xds_variant(mut self, variant: &'static str) -> Self {
        self.xds_variant = variant;
        self
    }

    /// How many threads Envoy runs.
    pub(crate) fn lanes(mut self, lanes: u32) -> Self {
        self.lanes = lanes;
        self
    }

    /// Which worker answered, and after what wait, in the answers' headers.
    pub(crate) fn debug_headers(mut self) -> Self {
        self.debug_headers = true;
        self
    }

    /// The store; SQLite if it is not set.
    pub(crate) fn store(mut self, url: &str) -> Self {
        self.store = Some(url.to_owned());
        self
    }

    /// Envoy's access log, in `access.log` beside the state directory.
    pub(crate) fn access_log(mut self) -> Self {
        self.access_log = true;
        self
    }

    /// The file's text.
    pub(crate) fn yaml(&self, at: &Addresses, envoy: &Path, state: &Path) -> String {
        let pools: Vec<&Value> = self.first_pool.iter().chain([&self.pool]).collect();
        let mut config = json!({
            "listen": at.listen,
            "api": at.api,
            "xds": at.xds,
            "envoy": { "admin": at.admin, "concurrency": self.lanes, "path": envoy, "xds_variant": self.xds_variant },
            "state": state,
            "store": self.store.as_deref().unwrap_or("sqlite"),
            "debug_headers": self.debug_headers,
            "access_log": self.access_log.then(|| state.with_file_name("access.log")),
            // A test that is over does not wait for the requests that it has left.
            "shutdown": { "within": "0s" },
            "pools": pools,
        });
        self.top.iter().for_each(|(field, value)| config[*field] = value.clone());
        self.envoy.iter().for_each(|(field, value)| config["envoy"][*field] = value.clone());
        serde_json::to_string_pretty(&config).unwrap()
    }
}

/// Where everything listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) listen: SocketAddr,
    pub(crate) api: SocketAddr,
    pub(crate) xds: SocketAddr,
    pub(crate) admin: SocketAddr,
}
