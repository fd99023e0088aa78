use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use tokio::sync::watch;

use super::{ResourceType, limits::REASON_BYTES_MAX, node::Node, session::Session};

/// How what a coordinator has compares to what it shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Rejection {
    /// Envoy's own words.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
}

/// One type of resources at one coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
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

/// A connected coordinator: one Envoy with one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CoordinatorStatus {
    /// Its `node.id`.
    pub node: String,
    /// Its `node.cluster`.
    pub cluster: String,
    /// The version that it states, for example `1.40.0`.
    pub envoy_version: String,
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
}

#[derive(Debug, Default)]
struct Inner {
    streams: HashMap<u64, CoordinatorStatus>,
    last_stream: u64,
    nacks: BTreeMap<String, u64>,
}

/// A stream's place among the coordinators, given up on drop.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    coordinators: &'a Coordinators,
    stream: u64,
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
        Self { inner: Mutex::new(inner), changes: watch::Sender::new(0) }
    }

    /// The connected coordinators by node id; of two streams of one id, the newer one.
    #[must_use]
    pub fn list(&self) -> Vec<CoordinatorStatus> {
        let inner = self.lock();
        let mut streams: Vec<_> = inner.streams.iter().collect();
        streams.sort_by_key(|(stream, _)| **stream);
        let newest: BTreeMap<_, _> =
            streams.into_iter().map(|(_, status)| (status.node.as_str(), status)).collect();
        newest.into_values().cloned().collect()
    }

    /// The coordinator of this node id, if it is connected.
    #[must_use]
    pub fn get(&self, node: &str) -> Option<CoordinatorStatus> {
        let inner = self.lock();
        let own = inner.streams.iter().filter(|(_, status)| status.node == node);
        own.max_by_key(|(stream, _)| **stream).map(|(_, status)| status.clone())
    }

    /// Rejections since the start, by type URL, types without one included.
    #[must_use]
    pub fn nacks_total(&self) -> BTreeMap<String, u64> {
        self.lock().nacks.clone()
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

    pub(crate) fn connect(&self, node: &Node) -> Place<'_> {
        let mut inner = self.lock();
        inner.last_stream += 1;
        let stream = inner.last_stream;
        let status = CoordinatorStatus {
            node: node.id.clone(),
            cluster: node.cluster.clone(),
            envoy_version: node.envoy_version.clone(),
            connected_since_unix_ms: now_unix_ms(),
            generation: None,
            state: SyncState::Stale,
            types: BTreeMap::new(),
        };
        inner.streams.insert(stream, status);
        drop(inner);
        self.changed();
        Place { coordinators: self, stream }
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
        let Some(status) = inner.streams.get_mut(&self.stream) else { return };
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
    pub(crate) fn rejected(&self, ty: ResourceType, reason: &str) {
        let mut inner = self.coordinators.lock();
        *inner.nacks.entry(ty.type_url().to_owned()).or_default() += 1;
        let rejection = Rejection { reason: shortened(reason), at_unix_ms: now_unix_ms() };
        if let Some(status) = inner.streams.get_mut(&self.stream)
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
        self.coordinators.lock().streams.remove(&self.stream);
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
