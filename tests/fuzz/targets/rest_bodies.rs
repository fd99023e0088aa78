//! The REST API and the filter's reports: requests go through the real router to a real store.
//!
//! An input is a short conversation. Lines of `---` separate requests. Each request is written as in HTTP/1.1: method
//! and target, headers, an empty line, the body. The token, `content-type` and the key of the coordinator `c` are added
//! unless the request has them. `SETTLE` lets an hour pass without a connected coordinator.
//!
//! For any input, nothing panics and no answer is an internal error. A refusal is a JSON problem and changes nothing.
//! Only the coordinator with a key has figures. An accepted change is stored, results in a configuration that the filter
//! accepts, and survives a restart.
#![no_main]

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Extension, Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use slotway::{config::Config, kinds};
use slotway_api::{ApiState, RateLimits, Rates, ResourceRegistry};
use slotway_backups::Backups;
use slotway_config::{FilterConfig, WorkerUrl};
use slotway_coordinators::{Coordinators, NODE_HEADER, NODE_KEY_HEADER, NodeKeys, Reports, types::OF_ENVOY};
use slotway_identity::{AdminToken, IdentityService, IdentitySettings};
use slotway_pools::{
    CoordinatorFigures, DEFAULT_READY_PATH, DISCONNECTED_GRACE, HeartbeatStatus, ListenerSettings,
    Observations, Pools, PoolsSettings,
};
use slotway_runtime::Clock;
use slotway_servers::{Servers, WorkerDirectory};
use slotway_store::Resources;
use slotway_store::{Batch, Expected, Kind, Listing, SqliteStore, Store, Who, Write};
use slotway_xds::{AdmittedNode, Catalog, NodeCredentials, Nodes};
use tokio::runtime::Runtime;
use tower_service::Service;

/// The maximum number of requests in one input.
const REQUESTS_MAX: usize = 16;
const HOUR: Duration = Duration::from_secs(3_600);
/// Returns the kinds that requests can change: all except the file's settings and the internal facts.
fn changed() -> Vec<Kind> {
    kinds::ALL.into_iter().filter(|kind| ![kinds::SETTINGS, Kind::FACT].contains(kind)).collect()
}

/// The observations of a control plane without a watchdog.
struct OnlyReports(Arc<Reports>);

impl Observations for OnlyReports {
    fn has_drained(&self, coordinator: &str, worker: &WorkerUrl, generation: u64) -> bool {
        self.0.has_drained(coordinator, worker, generation)
    }

    fn latest(&self, now: Instant) -> Vec<CoordinatorFigures> {
        self.0.latest(now)
    }

    fn heartbeat(&self, _: &WorkerUrl) -> Option<HeartbeatStatus> {
        None
    }
}

const POOLS: &str = r#"{ "pools": [
    { "name": "preannotation", "workers": [{ "worker": "https://declared:9001/x", "capacity": 3 }] },
    { "name": "ocr", "match": { "prefix": "/ocr" } }
] }"#;

fuzz_target!(|data: &[u8]| {
    let site = SITE.lock().unwrap_or_else(PoisonError::into_inner);
    site.runtime.block_on(site.converse(&String::from_utf8_lossy(data)));
});

/// State that lasts from one input to the next. The store is emptied after each input.
static SITE: LazyLock<Mutex<Site>> = LazyLock::new(|| Mutex::new(Site::new()));

struct Site {
    runtime: Runtime,
    config: Config,
    store: Arc<SqliteStore>,
    token: Arc<AdminToken>,
    node_keys: Arc<NodeKeys>,
}

/// A control plane without its ports.
struct ControlPlane {
    workers: Arc<Pools>,
    domains: Vec<Arc<dyn Resources>>,
    api: Router,
    reports: Router,
    figures: Arc<Reports>,
    authorization: String,
}

/// The workers, for servers that reference them.
struct WorkersOfPools(Arc<Pools>);

impl WorkerDirectory for WorkersOfPools {
    fn workers(&self) -> BTreeSet<String> {
        self.0.overview(Instant::now()).into_iter().map(|row| row.worker).collect()
    }
}

struct Answer {
    status: StatusCode,
    content_type: String,
    body: Vec<u8>,
}

impl Site {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        // `run.sh` places it in memory and removes it.
        let directory = std::env::temp_dir().join(format!("slotway-fuzz-{}", std::process::id()));
        let store = runtime.block_on(SqliteStore::open(&directory, &kinds::ALL)).expect("a store");
        let token = AdminToken::load_or_create(&directory.join("admin-token")).expect("a token");
        let keys = NodeKeys::load_or_create(&directory.join("node-key")).expect("a key");
        let config = serde_json::from_str(POOLS).expect("a configuration");
        Self { runtime, config, store: Arc::new(store), token: Arc::new(token), node_keys: Arc::new(keys) }
    }

    async fn converse(&self, text: &str) {
        let mut control_plane = self.start().await;
        let revision = self.listing().await.revision;
        for request in text.split("\n---\n").take(REQUESTS_MAX) {
            if request.starts_with("SETTLE") {
                control_plane.workers.settle(Instant::now() + HOUR).await.expect("a store that works");
            } else if let Some((mut request, body)) = read_request(request, &control_plane.authorization) {
                self.identify(request.headers_mut());
                control_plane.send(request, &body).await;
            }
        }
        if self.listing().await.revision != revision {
            let (before, specs) = (control_plane.rows().await, control_plane.specs());
            drop(control_plane);
            let mut restarted = self.start().await;
            assert_eq!(
                identities(&before),
                identities(&restarted.rows().await),
                "a restart changes something"
            );
            assert_eq!(specs, restarted.specs(), "a restart changes resources");
            self.reset().await;
        }
    }

    /// Adds the key of the coordinator `c`, unless a request names a coordinator itself.
    fn identify(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(NODE_HEADER) {
            headers.insert(NODE_HEADER, HeaderValue::from_static("c"));
            let key = self.node_keys.of("c");
            headers.entry(NODE_KEY_HEADER).or_insert(key.header_value().parse().expect("a header's value"));
        }
    }

    async fn start(&self) -> ControlPlane {
        let reports = Arc::new(Reports::default());
        let listener = ListenerSettings {
            groups: Default::default(),
            listen: self.config.listen,
            debug_headers: false,
            access_log: None,
            filter_wasm: "/filter.wasm".into(),
            ready_path: DEFAULT_READY_PATH.to_owned(),
            lanes: 2,
            lane_lease: self.config.lane_lease,
        };
        let (store, pools) = (Arc::clone(&self.store), &self.config.pools);
        let workers = Pools::open(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::new(OnlyReports(Arc::clone(&reports))),
            pools,
            PoolsSettings {
                listener,
                ca_directories: self.config.worker_ca_directories.clone(),
                disconnected_grace: DISCONNECTED_GRACE,
            },
            Clock::System,
        )
        .await;
        let workers = Arc::new(workers.expect("what was accepted can be loaded"));
        let directory = Arc::new(WorkersOfPools(Arc::clone(&workers)));
        let servers = Servers::open(Arc::clone(&store) as Arc<dyn Store>, directory).await;
        let backups = Backups::open(Arc::clone(&store) as Arc<dyn Store>, Clock::System).await;
        let domains: Vec<Arc<dyn Resources>> = vec![
            Arc::new(servers.expect("what was accepted can be loaded")),
            Arc::new(backups.expect("what was accepted can be loaded")),
        ];
        let catalog = Catalog::new(OF_ENVOY).expect("types of Envoy");
        let nodes = Arc::new(Nodes::new(&catalog, Clock::System));
        let coordinators = Arc::new(Coordinators::new(nodes, Arc::clone(&store) as Arc<dyn Store>));
        let (token, settings) = (Arc::clone(&self.token), IdentitySettings::default());
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let identity = IdentityService::open(shared, token, settings, None, Clock::System);
        let state = ApiState {
            resources: Arc::new(ResourceRegistry::new(Arc::clone(&store) as Arc<dyn Store>, domains.clone())),
            workers: Arc::clone(&workers),
            store,
            reports: Arc::clone(&reports),
            coordinators,
            events: Arc::default(),
            node_keys: Arc::clone(&self.node_keys),
            identity: Arc::new(identity.await.expect("what was accepted can be loaded")),
            rates: Arc::new(Rates::new(&RateLimits { requests_per_s: 0, burst: 1 })),
            stopping: Default::default(),
            metrics: Arc::default(),
            requests: Arc::default(),
        };
        ControlPlane {
            workers,
            domains,
            figures: reports,
            api: slotway_api::router(state.clone()),
            // No group asks for anything, as where the configuration names none.
            reports: slotway_api::report_routes(state)
                .router
                .layer(Extension(AdmittedNode::new(Arc::default(), NodeCredentials::default()))),
            authorization: self.token.authorization(),
        }
    }

    async fn listing(&self) -> Listing {
        self.store.list(&changed()).await.expect("a store that works")
    }

    /// Removes the changes of the requests, so that every input starts from the same state.
    async fn reset(&self) {
        let left = self.listing().await.documents.into_iter();
        let writes = left.map(|left| Write::delete(left.kind, left.key, Expected::Anything)).collect();
        self.store.commit(Batch { who: Who::SYSTEM, writes }).await.expect("a store that works");
    }
}

/// Returns the request that a text describes, and its body; `None` if it is not a valid HTTP request.
fn read_request(text: &str, authorization: &str) -> Option<(Request<Body>, String)> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    // Event streams last until the client disconnects.
    if target.contains("/events") {
        return None;
    }
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        request = request.header(name, value.trim());
    }
    let mut request = request.body(Body::from(body.to_owned())).ok()?;
    let headers = request.headers_mut();
    let token = authorization.parse().expect("a header's value");
    headers.entry(header::AUTHORIZATION).or_insert(token);
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    request.extensions_mut().insert(ConnectInfo(peer));
    Some((request, body.to_owned()))
}

impl ControlPlane {
    async fn send(&mut self, request: Request<Body>, body: &str) {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (before, specs) = (self.rows().await, self.specs());
        let report = path == "/coordinator/report";
        let answer = call(if report { &mut self.reports } else { &mut self.api }, request).await;
        let after = self.rows().await;
        if answer.status.is_success() {
            self.assert_in_force();
            if report {
                self.assert_figures_are_of_a_node();
            }
            if method == Method::POST && path == "/coordinator/workers" {
                assert_entries_are_there(body, &after);
            }
        } else {
            // A report never changes a worker's identity. A refused report may invalidate the base of a later one.
            assert_eq!(identities(&before), identities(&after), "a refusal changes something");
            assert_eq!(specs, self.specs(), "a refusal changes resources");
            // The route of reports has no error pages for other methods.
            if !(report && method != Method::POST) {
                assert_is_problem(&answer, &method);
            }
        }
    }

    /// The specs of all resources of the ordinary kinds, by kind and name.
    fn specs(&self) -> BTreeMap<(Kind, String), (u64, Value)> {
        let mut specs = BTreeMap::new();
        for domain in &self.domains {
            let view = domain.current();
            for kind in domain.kinds() {
                let all = view.list(*kind).into_iter();
                specs.extend(all.map(|found| ((*kind, found.name), (found.revision, found.spec))));
            }
        }
        specs
    }

    async fn rows(&mut self) -> Vec<Value> {
        let (request, _) = read_request("GET /coordinator/workers", &self.authorization).expect("a request");
        let answer = call(&mut self.api, request).await;
        assert_eq!(answer.status, StatusCode::OK);
        serde_json::from_slice(&answer.body).expect("a list of workers")
    }

    /// Asserts that only the coordinator with a key has figures, of known pools.
    fn assert_figures_are_of_a_node(&self) {
        for figures in self.figures.latest(Instant::now()) {
            assert_eq!(figures.coordinator, "c", "figures of a coordinator without a key");
            let state = self.workers.current();
            assert!(figures.pools.iter().all(|pool| state.pools().has(&pool.pool)), "figures of no pool");
        }
    }

    /// Asserts that the filter accepts the configuration for Envoy.
    fn assert_in_force(&self) {
        let desired = Arc::clone(&self.workers.desired().borrow());
        let told = FilterConfig {
            generation: desired.generation,
            pools: desired.pools.clone(),
            ..FilterConfig::from_json(br#"{ "generation": 1, "pools": [] }"#).expect("a configuration")
        };
        let json = told.to_json().expect("a configuration can be written");
        assert_eq!(FilterConfig::from_json(json.as_bytes()), Ok(told));
    }
}

async fn call(router: &mut Router, request: Request<Body>) -> Answer {
    let answer: Result<_, Infallible> = router.call(request).await;
    let (parts, body) = answer.unwrap_or_else(|never| match never {}).into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let body = body.collect().await.expect("a body").to_bytes().to_vec();
    Answer { status: parts.status, content_type, body }
}

/// Returns the fields that identify an unchanged worker.
fn identities(rows: &[Value]) -> Vec<[&Value; 3]> {
    rows.iter().map(|row| [&row["worker"], &row["pool"], &row["capacity"]]).collect()
}

fn assert_entries_are_there(body: &str, rows: &[Value]) {
    let entries: Vec<Value> = serde_json::from_str(body).expect("an accepted list is JSON");
    for entry in entries {
        let url: slotway_config::WorkerUrl =
            serde_json::from_value(entry["worker"].clone()).expect("an accepted URL");
        let row = rows.iter().find(|row| row["worker"] == url.as_str());
        let row = row.unwrap_or_else(|| panic!("{url} was accepted and is not there"));
        assert_eq!(row["capacity"], entry["capacity"], "{url}");
        assert!(entry["pool"].is_null() || entry["pool"] == row["pool"], "{url}");
    }
}

fn assert_is_problem(answer: &Answer, method: &Method) {
    let text = String::from_utf8_lossy(&answer.body);
    let expected = [400, 401, 403, 404, 405, 409, 412, 413, 415, 429];
    assert!(expected.contains(&answer.status.as_u16()), "{}: {text}", answer.status);
    if method == Method::HEAD {
        return;
    }
    assert_eq!(answer.content_type, "application/problem+json", "{}: {text}", answer.status);
    let problem: Value = serde_json::from_slice(&answer.body).expect("a problem");
    assert_eq!(problem["status"], answer.status.as_u16(), "{text}");
    assert!(problem["type"].as_str().is_some_and(|kind| kind.starts_with("urn:slotway:problem:")), "{text}");
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{text}");
}
