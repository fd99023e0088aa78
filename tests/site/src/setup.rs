use std::{net::SocketAddr, path::Path};

use serde_json::{Value, json};

use crate::TestWorker;

/// The configuration file of a test, as YAML's JSON subset.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Number of Envoy threads.
    pub lanes: u32,
    debug_headers: bool,
    access_log: bool,
    xds_variant: &'static str,
    /// Further settings at the top level, and of `envoy`.
    top: Vec<(&'static str, Value)>,
    envoy: Vec<(&'static str, Value)>,
    store: Option<String>,
    /// A pool in front of `pool`.
    first_pool: Option<Value>,
    pool: Value,
}

impl Default for Setup {
    /// Returns one pool for every request, two lanes, no workers.
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
    /// Returns the default with these workers and capacities.
    pub fn with(workers: &[(&TestWorker, u32)]) -> Self {
        workers
            .iter()
            .fold(Self::default(), |setup, (worker, capacity)| setup.worker(&worker.url(), *capacity))
    }

    /// Adds a worker.
    pub fn worker(self, url: &str, capacity: u32) -> Self {
        self.worker_entry(json!({ "worker": url, "capacity": capacity }))
    }

    /// Adds a worker with all its settings.
    pub fn worker_entry(mut self, entry: Value) -> Self {
        self.pool["workers"].as_array_mut().unwrap().push(entry);
        self
    }

    /// Sets a field of the pool, such as `free_worker_timeout`.
    pub fn pool(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.pool[field] = value.into();
        self
    }

    /// Adds a pool in front of the other one, in the form of the configuration file.
    pub fn first_pool(mut self, pool: Value) -> Self {
        self.first_pool = Some(pool);
        self
    }

    /// Sets a field at the top level.
    pub fn top(mut self, field: &'static str, value: Value) -> Self {
        self.top.push((field, value));
        self
    }

    /// Sets a field of `envoy`.
    pub fn envoy(mut self, field: &'static str, value: Value) -> Self {
        self.envoy.push((field, value));
        self
    }

    /// Sets the variant of xDS that Envoy speaks.
    pub fn xds_variant(mut self, variant: &'static str) -> Self {
        self.xds_variant = variant;
        self
    }

    /// Sets the number of Envoy threads.
    pub fn lanes(mut self, lanes: u32) -> Self {
        self.lanes = lanes;
        self
    }

    /// Adds the worker and the wait to the headers of answers.
    pub fn debug_headers(mut self) -> Self {
        self.debug_headers = true;
        self
    }

    /// Sets the store. The default is SQLite.
    pub fn store(mut self, url: &str) -> Self {
        self.store = Some(url.to_owned());
        self
    }

    /// Writes Envoy's access log to `access.log` beside the state directory.
    pub fn access_log(mut self) -> Self {
        self.access_log = true;
        self
    }

    /// Returns the text of the file.
    pub fn yaml(&self, at: &Addresses, envoy: &Path, state: &Path) -> String {
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
            // At its end a test does not wait for unfinished requests.
            "shutdown": { "within": "0s" },
            "pools": pools,
        });
        self.top.iter().for_each(|(field, value)| config[*field] = value.clone());
        self.envoy.iter().for_each(|(field, value)| config["envoy"][*field] = value.clone());
        serde_json::to_string_pretty(&config).unwrap()
    }
}

/// The addresses of the listening ports.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Envoy for clients.
    pub listen: SocketAddr,
    /// REST.
    pub api: SocketAddr,
    /// xDS.
    pub xds: SocketAddr,
    /// Envoy's admin interface.
    pub admin: SocketAddr,
}
