//! A source for the tests: clusters and limits of workers, and a root that names them with their capacities.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use envoy_types::pb::google::protobuf::{Any, StringValue};
use prost::Message;
use tokio::{sync::watch, time::Instant};

use crate::{
    Bounds, BoundsFormat, Catalog, Deferred, Encoded, LingeringBounds, Node, PushRole, ResourceSet,
    ResourceType, Snapshot, SnapshotError, Source, SourceEnded, XdsResource,
};

pub(crate) const LIMITS: ResourceType =
    ResourceType::new("type.googleapis.com/envoy.service.runtime.v3.Runtime", PushRole::Bound);
pub(crate) const CLUSTERS: ResourceType =
    ResourceType::new("type.googleapis.com/envoy.config.cluster.v3.Cluster", PushRole::Referenced)
        .with_wildcard();
pub(crate) const LISTENER: ResourceType =
    ResourceType::new("type.googleapis.com/envoy.config.listener.v3.Listener", PushRole::Dependent)
        .with_wildcard();
pub(crate) const ROUTES: ResourceType =
    ResourceType::new("type.googleapis.com/envoy.config.route.v3.RouteConfiguration", PushRole::Dependent);
pub(crate) const FILTER: ResourceType =
    ResourceType::new("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", PushRole::Root);
pub(crate) const INDEPENDENT: ResourceType =
    ResourceType::new("type.googleapis.com/slotway.test.Independent", PushRole::Independent).with_wildcard();

/// The types that an Envoy subscribes to, in push order.
pub(crate) const OF_ENVOY: [ResourceType; 5] = [LIMITS, CLUSTERS, LISTENER, ROUTES, FILTER];

/// The name of every resource that is the only one of its type.
pub(crate) const ONLY: &str = "slotway";
pub(crate) const GROUP: &str = "slotway";
/// A limit is so much higher than its capacity.
pub(crate) const LANES: u32 = 2;

pub(crate) fn catalog() -> Arc<Catalog> {
    Arc::new(Catalog::new([INDEPENDENT].into_iter().chain(OF_ENVOY)).unwrap())
}

pub(crate) fn ty(type_url: &str) -> ResourceType {
    let all = catalog();
    all.types()[all.position(type_url).unwrap()]
}

/// What the nodes of all groups shall have.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) generation: u64,
    /// The workers of each group, with their capacities.
    pub(crate) groups: BTreeMap<String, Vec<(String, u32)>>,
    /// Workers of every group that the root does not name any more.
    pub(crate) draining: Vec<String>,
    pub(crate) listener: String,
    pub(crate) routes: String,
}

/// These workers in the default group.
pub(crate) fn wanted(generation: u64, workers: &[(&str, u32)]) -> Wanted {
    let workers = workers.iter().map(|(name, capacity)| ((*name).to_owned(), *capacity)).collect();
    Wanted {
        generation,
        groups: [(GROUP.to_owned(), workers)].into(),
        draining: Vec::new(),
        listener: "listener".to_owned(),
        routes: "routes".to_owned(),
    }
}

const FORMAT: BoundsFormat = BoundsFormat {
    encode: |bounds| {
        let lines = bounds.iter().map(|(name, bound)| format!("{name}={bound}\n"));
        text_resource(LIMITS, ONLY, lines.collect())
    },
    open: 1 << 17,
};

pub(crate) fn bounds(bounds: &[(&str, u32)]) -> Bounds {
    Bounds::new(&FORMAT, bounds.iter().map(|(name, bound)| ((*name).to_owned(), *bound)))
}

fn text_resource(ty: ResourceType, name: &str, text: String) -> XdsResource {
    let value = StringValue { value: text }.encode_to_vec();
    XdsResource::new(name.to_owned(), Any { type_url: ty.type_url().to_owned(), value })
}

/// The text of a resource.
pub(crate) fn text(body: &Any) -> String {
    StringValue::decode(&*body.value).unwrap().value
}

/// The root as a node reads it: its generation, and the workers with their capacities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) generation: u64,
    pub(crate) workers: BTreeMap<String, u32>,
}

pub(crate) fn root(body: &Any) -> Root {
    let text = text(body);
    let mut lines = text.lines().skip(1);
    let generation = lines.next().unwrap().parse().unwrap();
    let workers = lines.map(|line| {
        let (name, rest) = line.split_once(" may have ").unwrap();
        (name.to_owned(), rest.strip_suffix(" requests at once").unwrap().parse().unwrap())
    });
    Root { generation, workers: workers.collect() }
}

/// The root of one node: its id, and a part that all nodes share.
#[derive(Debug)]
struct DeferredRoot {
    node_id: String,
    shared: Bytes,
}

impl Deferred for DeferredRoot {
    fn make(&self) -> Encoded {
        Encoded::text(format!("{}\n", self.node_id), self.shared.clone())
            .within(&StringValue::default(), 1)
            .within(&Any { type_url: FILTER.type_url().to_owned(), value: Vec::new() }, 2)
    }
}

/// What the nodes of a group share.
struct Built {
    wanted: Arc<Wanted>,
    referenced: Arc<ResourceSet>,
    named: Arc<ResourceSet>,
    bounds: LingeringBounds,
    listener: Arc<ResourceSet>,
    routes: Arc<ResourceSet>,
    root: Bytes,
}

/// Builds snapshots, the part that nodes share once for all.
pub(crate) struct TestSnapshots {
    linger: Duration,
    last: Mutex<HashMap<String, Arc<Built>>>,
}

impl Default for TestSnapshots {
    fn default() -> Self {
        Self::lingering(Duration::from_secs(5))
    }
}

impl TestSnapshots {
    pub(crate) fn lingering(linger: Duration) -> Self {
        Self { linger, last: Mutex::default() }
    }

    /// The snapshot for a node of the default group.
    pub(crate) fn of(&self, wanted: &Arc<Wanted>, node_id: &str) -> Arc<Snapshot> {
        self.of_group(wanted, GROUP, node_id, "").unwrap()
    }

    fn of_group(
        &self,
        wanted: &Arc<Wanted>,
        group: &str,
        node_id: &str,
        independent: &str,
    ) -> Option<Arc<Snapshot>> {
        let built = self.built(wanted, group)?;
        let own = DeferredRoot { node_id: node_id.to_owned(), shared: built.root.clone() };
        let root = XdsResource::deferred(ONLY.to_owned(), &[&built.root, node_id.as_bytes()], Arc::new(own));
        let others = [
            (LISTENER, built.listener.clone()),
            (ROUTES, built.routes.clone()),
            (FILTER, one(root)),
            (INDEPENDENT, one(text_resource(INDEPENDENT, ONLY, independent.to_owned()))),
        ];
        Some(Arc::new(Snapshot {
            generation: wanted.generation,
            revision: wanted.generation,
            referenced: built.referenced.clone(),
            named: built.named.clone(),
            bounds: built.bounds.clone(),
            others: others.into_iter().map(|(ty, set)| (ty.type_url(), set)).collect(),
        }))
    }

    fn built(&self, wanted: &Arc<Wanted>, group: &str) -> Option<Arc<Built>> {
        let mut last = self.last.lock().unwrap();
        let now = Instant::now();
        let is_current = |built: &Arc<Built>| {
            Arc::ptr_eq(&built.wanted, wanted) && built.bounds.until().is_none_or(|until| now < until)
        };
        if let Some(built) = last.get(group).filter(|built| is_current(built)) {
            return Some(built.clone());
        }
        let built = Arc::new(self.build(wanted, group, last.get(group).map(Arc::as_ref), now)?);
        last.insert(group.to_owned(), built.clone());
        Some(built)
    }

    fn build(&self, wanted: &Arc<Wanted>, group: &str, last: Option<&Built>, now: Instant) -> Option<Built> {
        let workers = wanted.groups.get(group)?;
        let draining = wanted.draining.iter().map(|name| (name.clone(), 1));
        let all: Vec<_> = workers.iter().cloned().chain(draining).collect();
        let cluster = |(name, _): &(String, u32)| Arc::new(text_resource(CLUSTERS, name, name.clone()));
        let referenced: Arc<ResourceSet> = Arc::new(all.iter().map(cluster).collect());
        let is_named = |name: &str| workers.iter().any(|(worker, _)| worker == name);
        let limits = Bounds::new(&FORMAT, all.into_iter().map(|(name, capacity)| (name, capacity + LANES)));
        let lines =
            workers.iter().map(|(name, capacity)| format!("{name} may have {capacity} requests at once\n"));
        Some(Built {
            wanted: wanted.clone(),
            named: Arc::new(referenced.select(is_named)),
            referenced,
            bounds: match last {
                Some(last) => last.bounds.followed_by(limits, now, self.linger),
                None => LingeringBounds::new(limits),
            },
            listener: one(text_resource(LISTENER, ONLY, wanted.listener.clone())),
            routes: one(text_resource(ROUTES, ONLY, wanted.routes.clone())),
            root: format!("{}\n{}", wanted.generation, lines.collect::<String>()).into(),
        })
    }
}

fn one(resource: XdsResource) -> Arc<ResourceSet> {
    Arc::new(ResourceSet::from_iter([Arc::new(resource)]))
}

/// The snapshot for one node.
pub(crate) fn snapshot(wanted: Wanted) -> Arc<Snapshot> {
    TestSnapshots::default().of(&Arc::new(wanted), "node")
}

/// What tests publish, as a source.
#[derive(Clone)]
pub(crate) struct TestSource {
    pub(crate) wanted: watch::Receiver<Arc<Wanted>>,
    pub(crate) independent: watch::Receiver<&'static str>,
    pub(crate) snapshots: Arc<TestSnapshots>,
}

impl Source for TestSource {
    fn catalog(&self) -> Arc<Catalog> {
        catalog()
    }

    async fn changed(&mut self) -> Result<(), SourceEnded> {
        tokio::select! {
            changed = self.wanted.changed() => changed,
            changed = self.independent.changed() => changed,
        }
        .map_err(|_| SourceEnded)
    }

    fn snapshot(&mut self, node: &Node) -> Result<Arc<Snapshot>, SnapshotError> {
        let wanted = self.wanted.borrow_and_update().clone();
        let independent = *self.independent.borrow_and_update();
        let snapshot = self.snapshots.of_group(&wanted, &node.group, &node.id, independent);
        snapshot.ok_or_else(|| SnapshotError::UnknownGroup(format!("there is no group {:?}", node.group)))
    }

    fn linger(&self) -> Duration {
        self.snapshots.linger
    }
}
