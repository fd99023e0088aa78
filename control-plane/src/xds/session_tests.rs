//! A node in memory that accepts, refuses, repeats itself, answers late and connects again, against the real session, in both
//! protocols.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use proptest::prelude::*;
use slotway_config::WaitDuration;

use super::{Event, Session};
use crate::{
    groups::DEFAULT_GROUP,
    model::{Desired, Draining},
    xds::{
        ResourceType, SyncState,
        Variant::{self, Incremental, StateOfTheWorld},
        fake_envoy::{FakeEnvoy, Response},
        history::History,
        message::{Ask, Incoming, Request},
        protocol::{self, Protocol},
        snapshot::Snapshots,
        testing::{OF_ENVOY, desired, worker},
    },
};

const URLS: [&str; 5] = ["http://a", "http://b:81", "https://c", "http://127.0.0.1:9001/x", "http://e"];
const BOTH: [Variant; 2] = [StateOfTheWorld, Incremental];

fn drains(url: &str) -> Draining {
    Draining { worker: worker(url, 1), pool: None }
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
    fn new(variant: Variant) -> Self {
        let desired = Arc::new(desired(1, &[(URLS[0], 1)]));
        // Time has no part here: what lingers is tested with the snapshots.
        let snapshots = Snapshots::lingering(Duration::ZERO);
        let session = Session::new(
            "node",
            snapshots.of(&desired, &Arc::default(), DEFAULT_GROUP, "node").unwrap().unwrap(),
        );
        let envoy = FakeEnvoy::new(variant);
        let mut world = Self { envoy, snapshots, history: History::default(), desired, session };
        world.connect();
        world
    }

    /// Opens a stream and asks for everything, as Envoy does: in the order in which it first subscribed.
    fn connect(&mut self) {
        self.session = Session::new(
            "node",
            self.snapshots.of(&self.desired, &Arc::default(), DEFAULT_GROUP, "node").unwrap().unwrap(),
        );
        self.envoy.reconnects();
        for ty in OF_ENVOY {
            self.request(ty, "", None);
        }
    }

    fn request(&mut self, ty: ResourceType, nonce: &str, error: Option<&str>) -> Event {
        let incoming = self.envoy.request(ty, nonce, error);
        let event = self.session.receive(incoming, &self.history).unwrap();
        self.pump();
        event
    }

    fn change(&mut self, desired: Desired) {
        self.desired = Arc::new(desired);
        self.session.retarget(
            self.snapshots.of(&self.desired, &Arc::default(), DEFAULT_GROUP, "node").unwrap().unwrap(),
        );
        self.pump();
    }

    /// Takes what the session sends to the node's inbox, and checks what must hold of it.
    fn pump(&mut self) {
        for outgoing in self.session.responses(&self.history) {
            let response = Response::read(self.envoy.variant, &outgoing);
            let ty = response.ty;
            let inbox = self.envoy.inbox.entry(ty).or_default();
            assert!(inbox.is_empty(), "a second {ty:?} response before the first one was answered");
            let refused = self.envoy.last_refused.get(&ty);
            assert_ne!(refused, Some(&response.version), "{ty:?} sent again after its rejection");
            inbox.push_back(response);
        }
        assert!(self.session.responses(&self.history).is_empty(), "asking again must not send again");
    }

    /// The node takes the response of this type, if there is one.
    fn accept(&mut self, ty: ResourceType) -> bool {
        let Some(response) = self.take(ty) else { return false };
        self.envoy.accept(&response);
        let event = self.request(ty, &response.nonce, None);
        assert_eq!(event, Event::Acked(ty));
        true
    }

    /// The node refuses the response of this type, if there is one with something to refuse.
    fn refuse(&mut self, ty: ResourceType) {
        let Some(response) = self.take(ty) else { return };
        if !self.envoy.refuse(&response) {
            self.envoy.inbox.entry(ty).or_default().push_front(response);
            self.accept(ty);
            return;
        }
        let event = self.request(ty, &response.nonce, Some("no"));
        assert_eq!(event, Event::Rejected(ty, "no".to_owned()));
    }

    /// The node accepts or refuses the response of this type, and its stream ends before it can say so.
    fn lose_the_answer(&mut self, ty: ResourceType, refuses: bool) {
        if let Some(response) = self.take(ty)
            && !(refuses && self.envoy.refuse(&response))
        {
            self.envoy.accept(&response);
        }
        self.connect();
    }

    fn take(&mut self, ty: ResourceType) -> Option<Response> {
        self.envoy.inbox.get_mut(&ty)?.pop_front()
    }

    fn is_quiet(&self) -> bool {
        self.envoy.inbox.values().all(VecDeque::is_empty)
    }

    /// Accepts everything until nothing is left to send.
    fn settle(&mut self) {
        for _ in 0..100 {
            let accepted = OF_ENVOY.map(|ty| self.accept(ty));
            if accepted == [false; 5] {
                return;
            }
        }
        panic!("it does not come to rest");
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Workers with their capacities, and others that drain.
    Change(Vec<(usize, u32)>, BTreeSet<usize>),
    Accept(usize),
    Refuse(usize),
    /// An answer to a response that a later one has overtaken, or to one that never was.
    Stale(usize, bool),
    /// The same request once more.
    Repeat(usize),
    Reconnect,
    /// The node takes or refuses a response, and the stream ends before its answer arrives.
    Lose(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let ty = 0..OF_ENVOY.len();
    prop_oneof![
        4 => (
            prop::collection::btree_map(0..URLS.len(), 1..20_u32, 0..=URLS.len()),
            prop::collection::btree_set(0..URLS.len(), 0..=2),
        )
            .prop_map(|(workers, draining)| Step::Change(workers.into_iter().collect(), draining)),
        8 => ty.clone().prop_map(Step::Accept),
        1 => ty.clone().prop_map(Step::Refuse),
        1 => (ty.clone(), any::<bool>()).prop_map(|(ty, refuses)| Step::Stale(ty, refuses)),
        1 => ty.clone().prop_map(Step::Repeat),
        1 => (ty, any::<bool>()).prop_map(|(ty, refuses)| Step::Lose(ty, refuses)),
        1 => Just(Step::Reconnect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_node_answers_nothing_is_named_that_is_not_there_and_all_comes_to_rest(
        variant in prop::sample::select(&BOTH[..]),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(variant);
        let mut generation = 1;
        for step in steps {
            match step {
                Step::Change(workers, draining) => {
                    generation += 1;
                    let draining = draining.iter().filter(|url| workers.iter().all(|(other, _)| other != *url));
                    let draining = draining.map(|url| drains(URLS[*url])).collect();
                    let workers: Vec<_> = workers.iter().map(|(url, n)| (URLS[*url], *n)).collect();
                    world.change(Desired { draining, ..desired(generation, &workers) });
                }
                Step::Accept(ty) => drop(world.accept(OF_ENVOY[ty])),
                Step::Refuse(ty) => world.refuse(OF_ENVOY[ty]),
                Step::Stale(ty, refuses) => {
                    let event = world.request(OF_ENVOY[ty], "stale", refuses.then_some("no"));
                    prop_assert_eq!(event, Event::None);
                }
                Step::Repeat(ty) => {
                    let ty = OF_ENVOY[ty];
                    if world.envoy.inbox.get(&ty).is_some_and(VecDeque::is_empty) {
                        world.request(ty, "", None);
                    }
                }
                Step::Reconnect => world.connect(),
                Step::Lose(ty, refuses) => world.lose_the_answer(OF_ENVOY[ty], refuses),
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
    for variant in BOTH {
        let mut world = World::new(variant);
        world.settle();
        let mut next = desired(2, &[(URLS[1], 1)]);
        next.draining = vec![drains(URLS[0])];
        world.change(next);
        world.settle();
        assert_eq!(world.envoy.clusters.len(), 2);
        assert_eq!(world.envoy.limits.len(), 2);
        assert_eq!(world.envoy.filter.as_ref().unwrap().pools[0].workers.len(), 1);
    }
}

#[test]
fn a_node_that_connects_again_is_sent_nothing_that_it_has() {
    for variant in BOTH {
        let mut world = World::new(variant);
        world.settle();
        world.connect();
        assert!(world.is_quiet());
        assert_eq!(world.session.generation_in_force(), Some(1));
    }
}

#[test]
fn the_same_wanted_state_has_the_same_versions_after_a_restart() {
    for variant in BOTH {
        let mut world = World::new(variant);
        let mut next = desired(2, &[(URLS[0], 1), (URLS[1], 2), (URLS[2], 3), (URLS[3], 4)]);
        next.listener.access_log = Some("/log".into());
        world.change(next);
        world.settle();
        for _ in 0..10 {
            (world.snapshots, world.history) = Default::default();
            world.connect();
            assert!(world.is_quiet());
        }
    }
}

#[test]
fn a_capacity_changes_neither_clusters_nor_listener_nor_routes() {
    for variant in BOTH {
        let mut world = World::new(variant);
        world.settle();
        let before = world.envoy.versions.clone();
        world.change(desired(2, &[(URLS[0], 9)]));
        world.settle();
        let after = &world.envoy.versions;
        let changed: Vec<_> = OF_ENVOY.into_iter().filter(|ty| before[ty] != after[ty]).collect();
        assert_eq!(changed, [ResourceType::Runtime, ResourceType::Filter]);
    }
}

#[test]
fn a_rejection_is_shown_until_it_is_mended() {
    for variant in BOTH {
        let mut world = World::new(variant);
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
}

#[test]
fn the_incremental_protocol_sends_the_new_cluster_alone() {
    for (variant, resources) in [(StateOfTheWorld, 4), (Incremental, 1)] {
        let mut world = World::new(variant);
        world.change(desired(2, &[(URLS[0], 1), (URLS[1], 1), (URLS[2], 1)]));
        world.settle();
        world.change(desired(3, &[(URLS[0], 1), (URLS[1], 1), (URLS[2], 1), (URLS[3], 1)]));
        assert_eq!(world.envoy.inbox[&ResourceType::Cluster][0].len(), resources, "{variant:?}");
    }
}

#[test]
fn a_worker_whose_cluster_was_refused_can_be_removed_though_it_drains_first() {
    for variant in BOTH {
        let mut world = World::new(variant);
        world.settle();
        world.change(desired(2, &[(URLS[0], 1), (URLS[1], 1)]));
        world.refuse(ResourceType::Cluster);
        world.settle();
        world.change(Desired { draining: vec![drains(URLS[1])], ..desired(3, &[(URLS[0], 1)]) });
        world.settle();
        assert_eq!(world.session.generation_in_force(), Some(3), "without it no drain ever ends");
        world.change(desired(4, &[(URLS[0], 1)]));
        world.settle();
        assert!(world.session.states().all(|(.., state)| state == SyncState::Synced));
    }
}

#[test]
fn a_node_that_never_answers_keeps_no_more_than_a_few_contents_alive() {
    for variant in BOTH {
        let mut world = World::new(variant);
        let mut targets = Vec::new();
        for generation in 2..1_000 {
            let url = format!("http://worker-{generation}");
            world.change(desired(generation, &[(&url, 1)]));
            targets.push(Arc::downgrade(world.session.target()));
        }
        let alive = targets.iter().filter(|target| target.strong_count() > 0).count();
        assert!(alive <= 4, "{alive} are alive");
        assert!(world.envoy.inbox.values().all(|inbox| inbox.len() <= 1));
    }
}

#[test]
fn a_type_that_is_not_served_is_ignored() {
    let mut world = World::new(StateOfTheWorld);
    let type_url = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret".to_owned();
    let ask = Ask::All { names: BTreeSet::new(), version: String::new() };
    let request = Request { ask, nonce: String::new(), error: None };
    let event = world.session.receive(Incoming { type_url: type_url.clone(), request }, &world.history);
    assert_eq!(event.unwrap(), Event::Unknown(type_url));
    assert!(world.session.responses(&world.history).is_empty());
}

#[test]
fn a_name_that_does_not_exist_is_unanswered_or_said_to_be_removed() {
    let incoming = |ask| Incoming {
        type_url: ResourceType::Route.type_url().to_owned(),
        request: Request { ask, nonce: String::new(), error: None },
    };
    let names = BTreeSet::from(["another".to_owned()]);
    let mut world = World::new(StateOfTheWorld);
    world.settle();
    let ask = Ask::All { names: names.clone(), version: String::new() };
    world.session.receive(incoming(ask), &world.history).unwrap();
    assert!(world.session.responses(&world.history).is_empty());

    let mut world = World::new(Incremental);
    world.settle();
    let ask = Ask::Changes { subscribe: names, unsubscribe: BTreeSet::new(), kept: BTreeMap::new() };
    world.session.receive(incoming(ask), &world.history).unwrap();
    let responses = world.session.responses(&world.history);
    assert_eq!(responses.len(), 1);
    assert_eq!(*responses[0].removed[0], *"another");
    assert!(responses[0].resources.is_empty());
}

#[test]
fn a_request_beyond_its_bounds_is_refused() {
    let many: Vec<_> = (0..2_000).map(|n| n.to_string()).collect();
    let long = || vec!["x".repeat(4_000)];
    let whole = |names| DiscoveryRequest { resource_names: names, ..Default::default() };
    let subscribe = |names| DeltaDiscoveryRequest { resource_names_subscribe: names, ..Default::default() };
    let unsubscribe =
        |names| DeltaDiscoveryRequest { resource_names_unsubscribe: names, ..Default::default() };
    let kept = |name: String, version: String| DeltaDiscoveryRequest {
        initial_resource_versions: [(name, version)].into(),
        ..Default::default()
    };
    let all = |request| protocol::StateOfTheWorld::read(request).map(drop);
    let changes = |request| protocol::Incremental::read(request).map(drop);
    for refused in [
        all(whole(many.clone())),
        all(whole(long())),
        all(DiscoveryRequest { version_info: "v".repeat(300), ..Default::default() }),
        all(DiscoveryRequest { response_nonce: "n".repeat(300), ..Default::default() }),
        changes(subscribe(many.clone())),
        changes(subscribe(long())),
        changes(unsubscribe(many.clone())),
        changes(kept("x".repeat(4_000), "v".to_owned())),
        changes(kept("x".to_owned(), "v".repeat(300))),
        changes(DeltaDiscoveryRequest { response_nonce: "n".repeat(300), ..Default::default() }),
    ] {
        assert_eq!(refused.unwrap_err().code(), tonic::Code::ResourceExhausted);
    }
}

#[test]
fn a_subscription_that_grows_request_by_request_has_its_bound() {
    let mut world = World::new(Incremental);
    let mut subscribe = |first: usize| {
        let names = (first..first + 1_000).map(|n| n.to_string()).collect();
        let ask = Ask::Changes { subscribe: names, unsubscribe: BTreeSet::new(), kept: BTreeMap::new() };
        let request = Request { ask, nonce: String::new(), error: None };
        let type_url = ResourceType::Route.type_url().to_owned();
        world.session.receive(Incoming { type_url, request }, &world.history)
    };
    subscribe(0).unwrap();
    assert_eq!(subscribe(1_000).unwrap_err().code(), tonic::Code::ResourceExhausted);
}
