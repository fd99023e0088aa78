//! Envoy without Slotway: with the connection manager and clusters that Slotway configures but without its filters, or
//! with a minimal configuration.

use std::{net::SocketAddr, path::Path, process::Command};

use serde_json::{Value, json};

use super::{Contender, ProxyLaunch, directory, write};
use crate::cpus::Cpus;
use slotway_test_site::{envoy, fresh_address, get, send};

const MANAGER: &str = "/filter_chains/0/filters/0/typed_config";
const ROUTER: &str = "envoy.filters.http.router";
const CLUSTER: &str = "workers";

/// Slotway's configuration of its own Envoy, as reported by that Envoy.
pub(crate) struct Generated {
    listener: Value,
    /// The cluster of one worker; clusters differ only in their addresses.
    cluster: Value,
    virtual_hosts: Value,
}

/// The plan of an Envoy: a static bootstrap.
#[derive(Clone)]
pub(crate) struct Plan {
    listener: Value,
    clusters: Vec<Value>,
    threads: u32,
}

impl Generated {
    /// Reads the configuration from a contender that is Slotway.
    pub(crate) async fn of(slotway: &Contender) -> Self {
        let dump = send(slotway.site().addresses().admin, get("/config_dump")).await.unwrap().json();
        let first = |kind: &str, path: &str| {
            let ends = format!(".{kind}ConfigDump");
            let config = dump["configs"]
                .as_array()
                .unwrap()
                .iter()
                .find(|config| config["@type"].as_str().is_some_and(|found| found.ends_with(&ends)));
            let mut found = config.and_then(|config| config.pointer(path)).cloned();
            // A bootstrap has the resources under their own types.
            found.as_mut().and_then(Value::as_object_mut).map(|found| found.remove("@type"));
            found.unwrap_or_else(|| panic!("Envoy shows no {kind}{path}"))
        };
        Self {
            listener: first("Listeners", "/dynamic_listeners/0/active_state/listener"),
            cluster: first("Clusters", "/dynamic_active_clusters/0/cluster"),
            virtual_hosts: first("Routes", "/dynamic_route_configs/0/route_config/virtual_hosts"),
        }
    }

    /// Returns the same settings of connection manager, listener, route and cluster, without everything specific to
    /// Slotway: the filter, its access log for lost requests, the headers that it sets and removes, and a cluster per
    /// worker. All workers are in one cluster.
    pub(crate) fn bare(&self, workers: &[SocketAddr]) -> Plan {
        let mut plan = self.without_filter(workers);
        let manager = plan.manager();
        manager.as_object_mut().unwrap().remove("access_log");
        manager["http_filters"].as_array_mut().unwrap().retain(|filter| filter["name"] == ROUTER);
        // Requests with a slot take the second route.
        let action = manager["route_config"]["virtual_hosts"][0]["routes"][1]["route"].take();
        manager["route_config"] = route_config(&action);
        plan
    }

    /// Returns Slotway's whole configuration, except the filter.
    pub(crate) fn without_filter(&self, workers: &[SocketAddr]) -> Plan {
        let mut plan =
            Plan { listener: self.listener.clone(), clusters: vec![self.cluster.clone()], threads: 1 };
        let manager = plan.manager().as_object_mut().unwrap();
        manager.remove("rds");
        manager["http_filters"]
            .as_array_mut()
            .unwrap()
            .retain(|filter| filter.get("config_discovery").is_none());
        let mut hosts = self.virtual_hosts.clone();
        for route in hosts[0]["routes"].as_array_mut().unwrap() {
            route["route"].as_object_mut().unwrap().remove("cluster_header");
            route["route"]["cluster"] = CLUSTER.into();
        }
        manager.insert("route_config".into(), json!({ "virtual_hosts": hosts }));
        let cluster = &mut plan.clusters[0];
        cluster.as_object_mut().unwrap().remove("alt_stat_name");
        cluster["name"] = CLUSTER.into();
        cluster["load_assignment"] = endpoints(workers);
        plan
    }
}

/// Returns the minimal configuration of an introduction to Envoy.
pub(crate) fn default(workers: &[SocketAddr]) -> Plan {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "route_config": route_config(&json!({ "cluster": CLUSTER })),
        "http_filters": [{ "name": ROUTER, "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
    });
    let chain = json!({ "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }] });
    let cluster = json!({ "name": CLUSTER, "type": "STATIC", "load_assignment": endpoints(workers) });
    Plan {
        listener: json!({ "name": "ingress", "filter_chains": [chain] }),
        clusters: vec![cluster],
        threads: 1,
    }
}

impl Plan {
    /// Adds a wasm filter in front of the router.
    pub(crate) fn with_module(mut self, module: &Path) -> Self {
        let filter = json!({ "name": "module", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": { "name": "module", "root_id": "module", "vm_config": {
                "vm_id": "module", "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": module } } } },
        } });
        self.manager()["http_filters"].as_array_mut().unwrap().insert(0, filter);
        self
    }

    /// Adds Envoy's own limit on connections, with an unlimited queue: the closest equivalent of slots in Envoy without
    /// a filter.
    pub(crate) fn queueing(mut self, connections: u32) -> Self {
        let threshold = json!({
            "max_connections": connections, "max_pending_requests": u32::MAX, "max_requests": u32::MAX, "max_retries": 0,
        });
        self.clusters[0]["circuit_breakers"] = json!({ "thresholds": [threshold] });
        self.clusters[0]["lb_policy"] = "LEAST_REQUEST".into();
        self
    }

    /// Uses a cluster for each worker, like Slotway, and selects it by a header of the request.
    pub(crate) fn cluster_by(mut self, header: &str, workers: &[SocketAddr]) -> Self {
        let template = self.clusters[0].clone();
        let cluster = |worker: &SocketAddr| {
            let mut cluster = template.clone();
            cluster["name"] = worker.to_string().into();
            cluster["load_assignment"] = endpoints(&[*worker]);
            cluster["load_assignment"]["cluster_name"] = worker.to_string().into();
            cluster
        };
        self.clusters = workers.iter().map(cluster).collect();
        let action = &mut self.manager()["route_config"]["virtual_hosts"][0]["routes"][0]["route"];
        action.as_object_mut().unwrap().remove("cluster");
        action["cluster_header"] = header.into();
        self
    }

    /// Sets the number of threads.
    pub(crate) fn threads(mut self, threads: u32) -> Self {
        self.threads = threads;
        self
    }

    /// Returns the settings of the connection manager.
    pub(crate) fn manager(&mut self) -> &mut Value {
        self.listener.pointer_mut(MANAGER).unwrap()
    }

    /// Starts an Envoy with this plan.
    pub(crate) async fn start(mut self, name: &str, cpus: &Cpus) -> Contender {
        let address = fresh_address();
        self.listener["address"] = socket_address(address);
        let bootstrap = json!({
            "admin": { "address": socket_address(fresh_address()) },
            "static_resources": { "listeners": [self.listener], "clusters": self.clusters },
        });
        let directory = directory();
        let file = write(directory.path(), "envoy.json", &bootstrap.to_string());
        let mut command = Command::new(envoy());
        command.arg("--config-path").arg(file).args([
            "--log-level",
            "warn",
            "--disable-hot-restart",
            "--concurrency",
        ]);
        command.arg(self.threads.to_string());
        Contender::start(name, command, ProxyLaunch { address, directory, threads: self.threads, cpus }).await
    }
}

fn route_config(action: &Value) -> Value {
    let route = json!({ "match": { "prefix": "/" }, "route": action });
    json!({ "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] })
}

fn endpoints(workers: &[SocketAddr]) -> Value {
    let endpoints: Vec<Value> = workers
        .iter()
        .map(|worker| json!({ "endpoint": { "address": socket_address(*worker), "hostname": worker.to_string() } }))
        .collect();
    json!({ "cluster_name": CLUSTER, "endpoints": [{ "lb_endpoints": endpoints }] })
}

fn socket_address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}
