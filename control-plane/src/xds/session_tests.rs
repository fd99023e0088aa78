//! A node in memory that accepts, refuses, repeats itself, answers late and connects again, against the real session.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use envoy_types::pb::{
    envoy::{
        config::{cluster::v3::Cluster, core::v3::TypedExtensionConfig},
        extensions::filters::http::wasm::v3::Wasm,
        service::{
            discovery::v3::{DiscoveryRequest, DiscoveryResponse},
            runtime::v3::Runtime,
        },
    },
    google::{
        protobuf::{StringValue, value::Kind},
        rpc::Status,
    },
};
use proptest::prelude::*;
use prost::Message;
use slotway_config::{FilterConfig, WaitDuration, Worker};

use super::{Event, Session};
use crate::{
    model::Desired,
    xds::{
        RESOURCE_NAME, ResourceType, SyncState,
        history::History,
        snapshot::Snapshots,
        testing::{LANES, desired, worker},
    },
};

const URLS: [&str; 5] = ["http://a", "http://b:81", "https://c", "http://127.0.0.1:9001/x", "http://e"];

/// What an Envoy has in force, and what it has been sent and not answered.
#[derive(Default)]
struct FakeEnvoy {
    clusters: BTreeSet<String>,
    /// Clusters that may be missing: it refused them, and took the rest of the same response.
    unsure: BTreeSet<String>,
    /// Clusters that its configuration names and that the control plane cannot know of, until there is another one.
    unknown: BTreeSet<String>,
    limits: BTreeMap<String, u32>,
    filter: Option<FilterConfig>,
    versions: BTreeMap<&'static str, String>,
    inbox: BTreeMap<&'static str, VecDeque<DiscoveryResponse>>,
    last_refused: BTreeMap<&'static str, String>,
}

/// The whole: control plane and node.
struct World {
    envoy: FakeEnvoy,
    snapshots: Snapshots,
    history: History,
    desired: Arc<Desired>,
    session: Session,
}

impl World {
    fn new() -> Self {
        let desired = Arc::new(desired(1, &[(URLS[0], 1)]));
        // Time has no part here: what lingers is tested with the snapshots.
        let snapshots = Snapshots::lingering(Duration::ZERO);
        let session = Session::new("node", snapshots.of(&desired, "node").unwrap());
        let envoy = FakeEnvoy::default();
        let mut world = Self { envoy, snapshots, history: History::default(), desired, session };
        world.connect();
        world
    }

    /// Opens a stream and asks for everything, as Envoy does: in the order in which it first subscribed.
    fn connect(&mut self) {
        self.session = Session::new("node", self.snapshots.of(&self.desired, "node").unwrap());
        self.envoy.inbox.clear();
        self.envoy.last_refused.clear();
        if !self.envoy.versions.contains_key(ResourceType::Cluster.type_url()) {
            // It has only ever taken a part of its clusters, and states no version by which we could know which.
            self.envoy.unknown = self.envoy.named();
        }
        for ty in ResourceType::ALL {
            let version = self.envoy.versions.get(ty.type_url()).cloned().unwrap_or_default();
            self.request(ty, &version, "", None);
        }
    }

    fn request(&mut self, ty: ResourceType, version: &str, nonce: &str, error: Option<&str>) -> Event {
        let names = if ty.is_wildcard() { vec![] } else { vec![RESOURCE_NAME.to_owned()] };
        let request = DiscoveryRequest {
            version_info: version.to_owned(),
            resource_names: names,
            type_url: ty.type_url().to_owned(),
            response_nonce: nonce.to_owned(),
            error_detail: error.map(|message| Status { message: message.to_owned(), ..Status::default() }),
            ..DiscoveryRequest::default()
        };
        let event = self.session.receive(request, &self.history).unwrap();
        self.pump();
        event
    }

    fn change(&mut self, desired: Desired) {
        self.desired = Arc::new(desired);
        self.session.retarget(self.snapshots.of(&self.desired, "node").unwrap());
        self.pump();
    }

    /// Takes what the session sends to the node's inbox, and checks what must hold of it.
    fn pump(&mut self) {
        for response in self.session.responses(&self.history) {
            let ty = ResourceType::from_type_url(&response.type_url).unwrap();
            let inbox = self.envoy.inbox.entry(ty.type_url()).or_default();
            assert!(inbox.is_empty(), "a second {ty:?} response before the first one was answered");
            let refused = self.envoy.last_refused.get(ty.type_url());
            assert_ne!(refused, Some(&response.version_info), "{ty:?} sent again after its rejection");
            inbox.push_back(response);
        }
        assert!(self.session.responses(&self.history).is_empty(), "asking again must not send again");
    }

    /// The node takes the response of this type, if there is one.
    fn accept(&mut self, ty: ResourceType) -> bool {
        let Some(response) = self.take(ty) else { return false };
        self.envoy.apply(ty, &response, None);
        self.envoy.last_refused.remove(ty.type_url());
        self.envoy.versions.insert(ty.type_url(), response.version_info.clone());
        self.envoy.check();
        let event = self.request(ty, &response.version_info, &response.nonce, None);
        assert_eq!(event, Event::Acked(ty));
        true
    }

    /// The node refuses the response of this type, if there is one; of clusters all but one new one.
    fn refuse(&mut self, ty: ResourceType) {
        let Some(response) = self.take(ty) else { return };
        if ty == ResourceType::Cluster {
            let names = response.resources.iter().map(|any| Cluster::decode(&*any.value).unwrap().name);
            let bad = names.into_iter().find(|name| !self.envoy.clusters.contains(name));
            let Some(bad) = bad else { return self.answer_as_accepted(ty, response) };
            self.envoy.apply(ty, &response, Some(&bad));
        }
        self.envoy.last_refused.insert(ty.type_url(), response.version_info.clone());
        self.envoy.check();
        let kept = self.envoy.versions.get(ty.type_url()).cloned().unwrap_or_default();
        let event = self.request(ty, &kept, &response.nonce, Some("no"));
        assert_eq!(event, Event::Rejected(ty, "no".to_owned()));
    }

    fn answer_as_accepted(&mut self, ty: ResourceType, response: DiscoveryResponse) {
        self.envoy.inbox.entry(ty.type_url()).or_default().push_front(response);
        self.accept(ty);
    }

    fn take(&mut self, ty: ResourceType) -> Option<DiscoveryResponse> {
        self.envoy.inbox.get_mut(ty.type_url())?.pop_front()
    }

    /// Accepts everything until nothing is left to send.
    fn settle(&mut self) {
        for _ in 0..100 {
            let accepted = ResourceType::ALL.map(|ty| self.accept(ty));
            if accepted == [false; 5] {
                return;
            }
        }
        panic!("it does not come to rest");
    }
}

impl FakeEnvoy {
    fn apply(&mut self, ty: ResourceType, response: &DiscoveryResponse, but: Option<&String>) {
        let bodies = response.resources.iter().map(|any| &*any.value);
        match ty {
            ResourceType::Cluster => {
                self.clusters = bodies.map(|body| Cluster::decode(body).unwrap().name).collect();
                self.unsure.retain(|name| !self.clusters.contains(name));
                if let Some(bad) = but {
                    self.clusters.remove(bad);
                    self.unsure.insert(bad.clone());
                }
            }
            ResourceType::Runtime => self.limits = bodies.flat_map(limits).collect(),
            ResourceType::Filter => {
                self.filter = bodies.map(filter_config).next();
                self.unknown.clear();
            }
            ResourceType::Listener | ResourceType::Route => {}
        }
    }

    fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.filter.iter().flat_map(|config| &config.pools).flat_map(|pool| &pool.workers)
    }

    fn named(&self) -> BTreeSet<String> {
        self.workers().map(|worker| worker.worker.as_str().to_owned()).collect()
    }

    /// What make-before-break promises.
    fn check(&self) {
        for worker in self.workers() {
            let name = worker.worker.as_str();
            assert!(
                [&self.clusters, &self.unsure, &self.unknown].into_iter().any(|names| names.contains(name)),
                "the filter's configuration names {name}, whose cluster is not there"
            );
            // Without a limit of its own, the cluster's own high one counts.
            let limit = self.limits.get(name).copied().unwrap_or(u32::MAX);
            assert!(
                limit >= worker.capacity.get() + LANES,
                "{name} may have {} requests, and its limit is {limit}",
                worker.capacity
            );
        }
    }
}

fn limits(body: &[u8]) -> BTreeMap<String, u32> {
    let fields = Runtime::decode(body).unwrap().layer.unwrap_or_default().fields;
    let limit = |(key, value): (String, envoy_types::pb::google::protobuf::Value)| {
        let name =
            key.strip_prefix("circuit_breakers.").unwrap().strip_suffix(".default.max_requests").unwrap();
        let Some(Kind::NumberValue(number)) = value.kind else { panic!("not a number") };
        (name.to_owned(), number as u32)
    };
    fields.into_iter().map(limit).collect()
}

fn filter_config(body: &[u8]) -> FilterConfig {
    let extension = TypedExtensionConfig::decode(body).unwrap();
    let wasm = Wasm::decode(&*extension.typed_config.unwrap().value).unwrap();
    let json = StringValue::decode(&*wasm.config.unwrap().configuration.unwrap().value).unwrap();
    FilterConfig::from_json(json.value.as_bytes()).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Change(Vec<(usize, u32)>),
    Accept(usize),
    Refuse(usize),
    /// An answer to a response that a later one has overtaken, or to one that never was.
    Stale(usize, bool),
    /// The same request once more.
    Repeat(usize),
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    let ty = 0..ResourceType::ALL.len();
    prop_oneof![
        4 => prop::collection::btree_map(0..URLS.len(), 1..20_u32, 0..=URLS.len())
            .prop_map(|workers| Step::Change(workers.into_iter().collect())),
        8 => ty.clone().prop_map(Step::Accept),
        1 => ty.clone().prop_map(Step::Refuse),
        1 => (ty.clone(), any::<bool>()).prop_map(|(ty, refuses)| Step::Stale(ty, refuses)),
        1 => ty.prop_map(Step::Repeat),
        1 => Just(Step::Reconnect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_node_answers_nothing_is_named_that_is_not_there_and_all_comes_to_rest(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new();
        let mut generation = 1;
        for step in steps {
            match step {
                Step::Change(workers) => {
                    generation += 1;
                    let workers: Vec<_> = workers.iter().map(|(url, n)| (URLS[*url], *n)).collect();
                    world.change(desired(generation, &workers));
                }
                Step::Accept(ty) => drop(world.accept(ResourceType::ALL[ty])),
                Step::Refuse(ty) => world.refuse(ResourceType::ALL[ty]),
                Step::Stale(ty, refuses) => {
                    let event = world.request(ResourceType::ALL[ty], "x", "stale", refuses.then_some("no"));
                    prop_assert_eq!(event, Event::None);
                }
                Step::Repeat(ty) => {
                    let ty = ResourceType::ALL[ty];
                    if world.envoy.inbox.get(ty.type_url()).is_some_and(VecDeque::is_empty) {
                        world.request(ty, "", "", None);
                    }
                }
                Step::Reconnect => world.connect(),
            }
        }
        // The faults stop, and every content that was rejected is mended.
        let mut last = desired(generation + 1, &[("http://mended", 3), (URLS[0], 2)]);
        last.pools[0].answer_timeout = WaitDuration::from_ms(1_234);
        last.listener.listen = "127.0.0.1:10001".parse().unwrap();
        world.change(last.clone());
        world.settle();
        prop_assert_eq!(world.session.generation_in_force(), Some(last.generation));
        prop_assert!(world.session.states().all(|(.., state)| state == SyncState::Synced));
        let names: BTreeSet<_> = ["http://mended", URLS[0]].map(str::to_owned).into();
        prop_assert_eq!(&world.envoy.clusters, &names);
        let limits = BTreeMap::from([("http://mended".to_owned(), 5), (URLS[0].to_owned(), 4)]);
        prop_assert_eq!(&world.envoy.limits, &limits);
    }
}

#[test]
fn a_draining_worker_keeps_its_cluster_and_its_limit_but_is_not_configured() {
    let mut world = World::new();
    world.settle();
    let mut next = desired(2, &[(URLS[1], 1)]);
    next.draining = vec![worker(URLS[0], 1)];
    world.change(next);
    world.settle();
    assert_eq!(world.envoy.clusters.len(), 2);
    assert_eq!(world.envoy.limits.len(), 2);
    assert_eq!(world.envoy.filter.as_ref().unwrap().pools[0].workers.len(), 1);
}

#[test]
fn a_node_that_connects_again_is_sent_nothing_that_it_has() {
    let mut world = World::new();
    world.settle();
    world.connect();
    assert!(world.envoy.inbox.values().all(VecDeque::is_empty));
    assert_eq!(world.session.generation_in_force(), Some(1));
}

#[test]
fn the_same_wanted_state_has_the_same_versions_after_a_restart() {
    let mut world = World::new();
    let mut next = desired(2, &[(URLS[0], 1), (URLS[1], 2), (URLS[2], 3), (URLS[3], 4)]);
    next.listener.access_log = Some("/log".into());
    world.change(next);
    world.settle();
    for _ in 0..10 {
        (world.snapshots, world.history) = Default::default();
        world.connect();
        assert!(world.envoy.inbox.values().all(VecDeque::is_empty));
    }
}

#[test]
fn a_capacity_changes_neither_clusters_nor_listener_nor_routes() {
    let mut world = World::new();
    world.settle();
    let before = world.envoy.versions.clone();
    world.change(desired(2, &[(URLS[0], 9)]));
    world.settle();
    let after = &world.envoy.versions;
    let changed: Vec<_> =
        ResourceType::ALL.into_iter().filter(|ty| before[ty.type_url()] != after[ty.type_url()]).collect();
    assert_eq!(changed, [ResourceType::Runtime, ResourceType::Filter]);
}

#[test]
fn a_rejection_is_shown_until_it_is_mended() {
    let mut world = World::new();
    world.settle();
    let state = |world: &World| {
        let mut states = world.session.states();
        states.find(|(ty, ..)| *ty == ResourceType::Cluster).map(|(.., state)| state).unwrap()
    };
    world.change(desired(2, &[(URLS[0], 1), (URLS[1], 1)]));
    world.refuse(ResourceType::Cluster);
    world.settle();
    assert_eq!(state(&world), SyncState::Rejected);
    assert_eq!(world.session.generation_in_force(), Some(1), "what was there stays in force");
    world.change(desired(3, &[(URLS[0], 1)]));
    world.settle();
    assert_eq!(state(&world), SyncState::Synced);
    assert_eq!(world.session.generation_in_force(), Some(3));
}

#[test]
fn a_type_that_is_not_served_is_ignored() {
    let mut world = World::new();
    let type_url = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret".to_owned();
    let request = DiscoveryRequest { type_url: type_url.clone(), ..DiscoveryRequest::default() };
    assert_eq!(world.session.receive(request, &world.history).unwrap(), Event::Unknown(type_url));
    assert!(world.session.responses(&world.history).is_empty());
}

#[test]
fn a_name_that_does_not_exist_is_not_answered() {
    let mut world = World::new();
    world.settle();
    let request = DiscoveryRequest {
        type_url: ResourceType::Route.type_url().to_owned(),
        resource_names: vec!["another".to_owned()],
        ..DiscoveryRequest::default()
    };
    world.session.receive(request, &world.history).unwrap();
    assert!(world.session.responses(&world.history).is_empty());
}

#[test]
fn a_subscription_beyond_its_bounds_is_refused() {
    let mut world = World::new();
    let names = |names: Vec<String>| DiscoveryRequest {
        type_url: ResourceType::Cluster.type_url().to_owned(),
        resource_names: names,
        ..DiscoveryRequest::default()
    };
    let many = (0..2_000).map(|n| n.to_string()).collect();
    for request in [names(many), names(vec!["x".repeat(4_000)])] {
        let status = world.session.receive(request, &world.history).unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    }
}
