use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::timeout};
use tracing::warn;

use super::{
    Refusals, ResourceType, RevisionSpan, Variant, limits::REASON_BYTES_MAX, node::Node, session::Session,
};

/// How what a coordinator has compares to what it shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SyncState {
    /// It has acknowledged what it shall have.
    Synced,
    /// It has not acknowledged it yet.
    Stale,
    /// It refused what it was sent last; what it had before stays in force.
    Rejected,
}

/// Why a coordinator refused a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Rejection {
    /// Envoy's own words.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Who changed what that is in the refused configuration and in none that it accepted: what its reason names first, then
    /// the newest, at most 3. Absent once it is mended, and where the database cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<UnacceptedChange>>,
    /// Between which of the store's revisions those changes stand.
    #[serde(skip)]
    pub revisions: Option<RevisionSpan>,
}

/// A change that a coordinator refused, perhaps together with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UnacceptedChange {
    /// Who made it, as in the audit rows: `admin token`, `config file`, or `system` where the program itself did it.
    pub who: String,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// What was changed: `worker`, `settings`.
    pub kind: String,
    /// Which of them: a worker's base URL.
    pub key: String,
}

/// One type of resources at one coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TypeStatus {
    /// The version that it shall have.
    pub wanted: String,
    /// The version that it has acknowledged.
    pub acked: Option<String>,
    /// How the two compare.
    pub state: SyncState,
    /// The last rejection on this stream, also one that is mended since.
    pub last_rejection: Option<Rejection>,
}

/// A connected coordinator: one Envoy process with one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CoordinatorStatus {
    /// Its `node.id`.
    pub node: String,
    /// Its `node.cluster`.
    pub cluster: String,
    /// The version that it states, for example `1.40.0`.
    pub envoy_version: String,
    /// Which variant of xDS it speaks.
    pub protocol: Variant,
    /// Since when its stream is open, in milliseconds since 1970.
    pub connected_since_unix_ms: u64,
    /// The generation of the filter's configuration that it has acknowledged.
    pub generation: Option<u64>,
    /// All of it: rejected if one type is, else stale if one type is.
    pub state: SyncState,
    /// Each type that it subscribes to, by type URL.
    pub types: BTreeMap<String, TypeStatus>,
}

impl CoordinatorStatus {
    /// Whether it is no Envoy: it subscribes to nothing but what agents are told.
    #[must_use]
    pub fn is_agent(&self) -> bool {
        let is_for_agents =
            |url: &String| ResourceType::from_type_url(url).is_some_and(ResourceType::is_for_agents);
        !self.types.is_empty() && self.types.keys().all(is_for_agents)
    }

    /// Whether the filter's configuration of this generation, or a newer one, and all that goes with it is acknowledged.
    #[must_use]
    pub fn is_synced_on(&self, generation: u64) -> bool {
        self.state == SyncState::Synced && self.generation.is_some_and(|own| own >= generation)
    }
}

/// The coordinators that are connected, and what each of them has.
#[derive(Debug)]
pub struct Coordinators {
    inner: Mutex<Inner>,
    /// Counts the changes, for those who wait for one.
    changes: watch::Sender<u64>,
    refusals: Arc<Refusals>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By node id.
    streams: BTreeMap<String, CoordinatorStatus>,
    nacks: BTreeMap<String, u64>,
}

/// A stream's place among the coordinators, given up on drop.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    coordinators: &'a Coordinators,
    node: String,
}

impl Default for Coordinators {
    fn default() -> Self {
        Self::new()
    }
}

impl Coordinators {
    /// None connected.
    #[must_use]
    pub fn new() -> Self {
        let nacks = ResourceType::ALL.map(|ty| (ty.type_url().to_owned(), 0)).into();
        let inner = Inner { nacks, ..Inner::default() };
        Self { inner: Mutex::new(inner), changes: watch::Sender::new(0), refusals: Arc::default() }
    }

    /// The connected coordinators by node id.
    #[must_use]
    pub fn list(&self) -> Vec<CoordinatorStatus> {
        self.lock().streams.values().cloned().collect()
    }

    /// The state of each connected coordinator, by node id.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, SyncState> {
        self.lock().streams.iter().map(|(node, status)| (node.clone(), status.state)).collect()
    }

    /// The coordinator of this node id, if it is connected.
    #[must_use]
    pub fn get(&self, node: &str) -> Option<CoordinatorStatus> {
        self.lock().streams.get(node).cloned()
    }

    /// The group of this node id, if it is connected.
    #[must_use]
    pub fn group_of(&self, node: &str) -> Option<String> {
        self.lock().streams.get(node).map(|status| status.cluster.clone())
    }

    /// Rejections since the start, by type URL, types without one included.
    #[must_use]
    pub fn nacks_total(&self) -> BTreeMap<String, u64> {
        self.lock().nacks.clone()
    }

    /// How often somebody was not let in.
    #[must_use]
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    /// A number that changes with each change here.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until the coordinator has acknowledged this generation, or a newer one, and all that goes with it. Whoever
    /// calls it sets the time limit; what holds it up stands in [`Self::get`].
    pub async fn synced(&self, node: &str, generation: u64) {
        let mut changes = self.changes.subscribe();
        while !self.get(node).is_some_and(|status| status.is_synced_on(generation)) {
            // The sender lives as long as `self`, so this cannot fail.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Takes the place of a coordinator, as soon as nobody has it; none if somebody has it for as long as `patience`.
    ///
    /// A coordinator counts its slots within its process. Were two processes of one id configured, as Envoy's hot restart would have
    /// it, each would give every slot out. An Envoy that has lost its connection overlaps with itself until its old stream is found dead,
    /// and waits here for that; it goes on with what it has.
    pub(crate) async fn connect(
        &self,
        node: &Node,
        protocol: Variant,
        patience: Duration,
    ) -> Option<Place<'_>> {
        if let Some(place) = self.take(node, protocol) {
            return Some(place);
        }
        warn!(
            node = node.id,
            "a second Envoy of this node id gets no configuration while the first is connected"
        );
        let mut changes = self.changes.subscribe();
        let taken = async {
            loop {
                match self.take(node, protocol) {
                    Some(place) => return place,
                    // The sender lives as long as `self`, so this cannot fail.
                    None => drop(changes.changed().await),
                }
            }
        };
        timeout(patience, taken).await.ok()
    }

    fn take(&self, node: &Node, protocol: Variant) -> Option<Place<'_>> {
        let mut inner = self.lock();
        if inner.streams.contains_key(&node.id) {
            return None;
        }
        let status = CoordinatorStatus {
            node: node.id.clone(),
            cluster: node.cluster.clone(),
            envoy_version: node.envoy_version.clone(),
            protocol,
            connected_since_unix_ms: now_unix_ms(),
            generation: None,
            state: SyncState::Stale,
            types: BTreeMap::new(),
        };
        inner.streams.insert(node.id.clone(), status);
        drop(inner);
        self.changed();
        Some(Place { coordinators: self, node: node.id.clone() })
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Writes down what the session knows.
    pub(crate) fn update(&self, session: &Session) {
        let states: Vec<_> = session.states().collect();
        let generation = session.generation_in_force();
        let mut inner = self.coordinators.lock();
        let Some(status) = inner.streams.get_mut(&self.node) else { return };
        let mut types = BTreeMap::new();
        for (ty, wanted, acked, state) in states {
            let last_rejection = status.types.get(ty.type_url()).and_then(|ty| ty.last_rejection.clone());
            let acked = acked.map(|version| version.as_str().to_owned());
            let wanted = wanted.as_str().to_owned();
            types.insert(ty.type_url().to_owned(), TypeStatus { wanted, acked, state, last_rejection });
        }
        let worst = |state| types.values().any(|ty| ty.state == state);
        let state = if worst(SyncState::Rejected) {
            SyncState::Rejected
        } else if types.is_empty() || worst(SyncState::Stale) {
            SyncState::Stale
        } else {
            SyncState::Synced
        };
        if status.types == types && status.generation == generation && status.state == state {
            return;
        }
        (status.types, status.generation, status.state) = (types, generation, state);
        drop(inner);
        self.coordinators.changed();
    }

    /// Writes down a rejection.
    pub(crate) fn rejected(&self, ty: ResourceType, reason: &str, revisions: Option<RevisionSpan>) {
        let mut inner = self.coordinators.lock();
        *inner.nacks.entry(ty.type_url().to_owned()).or_default() += 1;
        let rejection =
            Rejection { reason: shortened(reason), at_unix_ms: now_unix_ms(), changes: None, revisions };
        if let Some(status) = inner.streams.get_mut(&self.node)
            && let Some(ty) = status.types.get_mut(ty.type_url())
        {
            ty.last_rejection = Some(rejection);
        }
        drop(inner);
        self.coordinators.changed();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.coordinators.lock().streams.remove(&self.node);
        self.coordinators.changed();
    }
}

/// The beginning of a reason, without control characters.
pub(crate) fn shortened(reason: &str) -> String {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].replace(char::is_control, " ")
}

fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
