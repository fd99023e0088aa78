use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use slotway_runtime::{Clock, Moment};
use tokio::{sync::watch, time::timeout};
use tracing::warn;

use crate::{
    Catalog, ProtocolVariant, PushRole, ResourceType, RevisionSpan, XdsRefusal, XdsRefusalCounts,
    limits::{NODE_TEXT_BYTES_MAX, REASON_BYTES_MAX},
    logged_reasons::LoggedReasons,
    node::Node,
    session::Session,
    subscription::SubscriptionState,
};

/// A rejection (NACK).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nack {
    /// The node's reason, at most 4,096 bytes of it, without control characters.
    pub reason: String,
    /// When it arrived.
    pub at: Moment,
    /// The source's revisions between which the rejected changes stand; `None` for independent types.
    pub revisions: Option<RevisionSpan>,
}

/// One type that a node subscribes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionStatus {
    /// The type's role.
    pub role: PushRole,
    /// The version that the node shall have.
    pub wanted: String,
    /// The version that the node has acknowledged.
    pub acked: Option<String>,
    /// How the two compare.
    pub state: SubscriptionState,
    /// The last rejection on this stream, also one that is mended since.
    pub last_nack: Option<Nack>,
}

/// A connected node: one process with one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its `node.id`.
    pub id: String,
    /// Its `node.cluster`.
    pub group: String,
    /// The version that it states, for example `1.40.0`.
    pub version: String,
    /// The variant of xDS that it speaks.
    pub variant: ProtocolVariant,
    /// When its stream was opened.
    pub connected_since: Moment,
    /// The generation that it has acknowledged.
    pub generation: Option<u64>,
    /// The state of all its subscriptions: rejected if one is, else stale if one is or if there is none.
    pub state: SubscriptionState,
    /// Each type that it subscribes to, by type URL.
    pub types: BTreeMap<&'static str, SubscriptionStatus>,
}

impl NodeStatus {
    /// Returns whether the node subscribes to independent types alone, which no root needs.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        !self.types.is_empty() && self.types.values().all(|status| status.role == PushRole::Independent)
    }

    /// Returns whether the root of this generation, or of a newer one, and all that goes with it is acknowledged.
    #[must_use]
    pub fn is_synced_on(&self, generation: u64) -> bool {
        self.state == SubscriptionState::Synced && self.generation.is_some_and(|own| own >= generation)
    }
}

/// The connected nodes, and what each of them has.
#[derive(Debug)]
pub struct Nodes {
    inner: Mutex<Inner>,
    /// Counts the changes.
    changes: watch::Sender<u64>,
    refusals: Arc<XdsRefusalCounts>,
    /// The logged reasons of refused reports.
    refused_reports: Mutex<LoggedReasons>,
    clock: Clock,
}

#[derive(Debug)]
struct Inner {
    /// By node id.
    streams: BTreeMap<String, NodeStatus>,
    /// Rejections since the start, by type URL.
    nacks: BTreeMap<&'static str, u64>,
}

/// A stream's hold of its node id, given up on drop.
#[derive(Debug)]
pub(crate) struct NodeClaim<'a> {
    nodes: &'a Nodes,
    id: String,
}

impl Nodes {
    /// Returns the status of a server to which no node is connected.
    #[must_use]
    pub fn new(catalog: &Catalog, clock: Clock) -> Self {
        let nacks = catalog.types().iter().map(|ty| (ty.type_url(), 0)).collect();
        let inner = Inner { streams: BTreeMap::new(), nacks };
        Self {
            inner: Mutex::new(inner),
            changes: watch::Sender::new(0),
            refusals: Arc::default(),
            refused_reports: Mutex::default(),
            clock,
        }
    }

    /// Returns the connected nodes by id.
    #[must_use]
    pub fn list(&self) -> Vec<NodeStatus> {
        self.lock().streams.values().cloned().collect()
    }

    /// Returns the number of connected nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().streams.len()
    }

    /// Returns whether no node is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().streams.is_empty()
    }

    /// Returns the state of each connected node, by id.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, SubscriptionState> {
        self.lock().streams.iter().map(|(id, status)| (id.clone(), status.state)).collect()
    }

    /// Returns the node of this id, if it is connected.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<NodeStatus> {
        self.lock().streams.get(id).cloned()
    }

    /// Returns the group of the node of this id, if it is connected.
    #[must_use]
    pub fn group_of(&self, id: &str) -> Option<String> {
        self.lock().streams.get(id).map(|status| status.group.clone())
    }

    /// Returns the rejections since the start, by type URL, types without one included.
    #[must_use]
    pub fn nacks_total(&self) -> BTreeMap<&'static str, u64> {
        self.lock().nacks.clone()
    }

    /// Returns how often the server refused a connection, a stream or a request.
    #[must_use]
    pub fn refusals(&self) -> &Arc<XdsRefusalCounts> {
        &self.refusals
    }

    /// Returns a number that changes with each change of the status.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until the node has acknowledged this generation, or a newer one, and all that goes with it. The caller sets the time
    /// limit; [`Self::get`] shows what holds it up.
    pub async fn synced(&self, id: &str, generation: u64) {
        let mut changes = self.changes.subscribe();
        while !self.get(id).is_some_and(|status| status.is_synced_on(generation)) {
            // The sender lives as long as `self`, so this cannot fail.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Counts a refused report, and logs it once for each reason: for a connected node, or else for the address, because any sender can
    /// name any node.
    pub fn refuse_report(&self, node: &str, peer: Option<IpAddr>, reason: &str) {
        self.refusals.count(XdsRefusal::Report);
        let peer = peer.map(|peer| peer.to_canonical().to_string()).unwrap_or_default();
        let is_connected = self.group_of(node).is_some();
        if self.refused_reports().is_new(if is_connected { node } else { &peer }, reason) {
            let node = shortened_to(node, NODE_TEXT_BYTES_MAX);
            warn!(node, peer, reason, "report refused");
        }
    }

    /// Forgets the refused reports of a node whose report was admitted: its next refusal is logged.
    pub fn admit_report(&self, node: &str) {
        self.refused_reports().forget(node);
    }

    fn refused_reports(&self) -> MutexGuard<'_, LoggedReasons> {
        self.refused_reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims a node id for a stream, as soon as it is free; `None` if another stream holds it for as long as `patience`.
    ///
    /// A coordinator counts its slots within its process. Were two processes of one id configured, as in Envoy's hot restart,
    /// each would give out every slot. An Envoy that has lost its connection overlaps with itself until its old stream is found
    /// dead, and waits here for that; it goes on with the configuration that it has.
    pub(crate) async fn claim(
        &self,
        node: &Node,
        variant: ProtocolVariant,
        patience: Duration,
    ) -> Option<NodeClaim<'_>> {
        if let Some(claim) = self.try_claim(node, variant) {
            return Some(claim);
        }
        warn!(node = node.id, "node id taken: the second Envoy waits for the end of the first one's stream");
        let mut changes = self.changes.subscribe();
        let claimed = async {
            loop {
                match self.try_claim(node, variant) {
                    Some(claim) => return claim,
                    // The sender lives as long as `self`, so this cannot fail.
                    None => drop(changes.changed().await),
                }
            }
        };
        timeout(patience, claimed).await.ok()
    }

    fn try_claim(&self, node: &Node, variant: ProtocolVariant) -> Option<NodeClaim<'_>> {
        let mut inner = self.lock();
        if inner.streams.contains_key(&node.id) {
            return None;
        }
        let status = NodeStatus {
            id: node.id.clone(),
            group: node.group.clone(),
            version: node.version.clone(),
            variant,
            connected_since: self.clock.now(),
            generation: None,
            state: SubscriptionState::Stale,
            types: BTreeMap::new(),
        };
        inner.streams.insert(node.id.clone(), status);
        drop(inner);
        self.changed();
        Some(NodeClaim { nodes: self, id: node.id.clone() })
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodeClaim<'_> {
    /// Records what the session knows.
    pub(crate) fn update(&self, session: &Session) {
        let states: Vec<_> = session.states().collect();
        let generation = session.generation_in_force();
        let mut inner = self.nodes.lock();
        let Some(status) = inner.streams.get_mut(&self.id) else { return };
        let mut types = BTreeMap::new();
        for (ty, wanted, acked, state) in states {
            let last_nack = status.types.get(ty.type_url()).and_then(|ty| ty.last_nack.clone());
            let acked = acked.map(|version| version.as_str().to_owned());
            let wanted = wanted.as_str().to_owned();
            let role = ty.role();
            types.insert(ty.type_url(), SubscriptionStatus { role, wanted, acked, state, last_nack });
        }
        let has = |state| types.values().any(|ty| ty.state == state);
        let state = if has(SubscriptionState::Rejected) {
            SubscriptionState::Rejected
        } else if types.is_empty() || has(SubscriptionState::Stale) {
            SubscriptionState::Stale
        } else {
            SubscriptionState::Synced
        };
        if status.types == types && status.generation == generation && status.state == state {
            return;
        }
        (status.types, status.generation, status.state) = (types, generation, state);
        drop(inner);
        self.nodes.changed();
    }

    /// Records a rejection.
    pub(crate) fn rejected(&self, ty: ResourceType, reason: &str, revisions: Option<RevisionSpan>) {
        let mut inner = self.nodes.lock();
        *inner.nacks.entry(ty.type_url()).or_default() += 1;
        let nack = Nack { reason: shortened(reason), at: self.nodes.clock.now(), revisions };
        if let Some(status) = inner.streams.get_mut(&self.id)
            && let Some(ty) = status.types.get_mut(ty.type_url())
        {
            ty.last_nack = Some(nack);
        }
        drop(inner);
        self.nodes.changed();
    }
}

impl Drop for NodeClaim<'_> {
    fn drop(&mut self) {
        self.nodes.lock().streams.remove(&self.id);
        self.nodes.changed();
    }
}

/// Returns the beginning of a reason, without control characters.
pub(crate) fn shortened(reason: &str) -> String {
    shortened_to(reason, REASON_BYTES_MAX)
}

fn shortened_to(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace(char::is_control, " ")
}
