//! Make before break: what of a snapshot may be in force at a node now.
//!
//! Only the filter's configuration names clusters, and it counts on Envoy's own limits being no lower than its
//! capacities. So a snapshot comes into force in three steps, each after the acknowledgement of the one before:
//!
//! 1. **make**: clusters and limits of every configuration that is in force, under way or next;
//! 2. **move**: listener, routes and the filter's configuration;
//! 3. **break**: clusters and limits without what no configuration needs any more.
//!
//! A snapshot that comes while another is being made waits until that one has moved, so that a constant stream of changes
//! cannot keep a change from coming into force. Steps are not stored: what may be in force follows from which
//! configurations the node may be using, so no order of answers can lead to a wrong one.
//!
//! Background: <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations>.

use std::sync::Arc;

use super::{
    ResourceType,
    history::History,
    resource_set::{ResourceSet, Version},
    resources::runtime::Limits,
    snapshot::Snapshot,
};

/// The order of one node's changes.
#[derive(Debug)]
pub(crate) struct Order {
    target: Arc<Snapshot>,
    /// The snapshot whose clusters and limits are on their way; `None` once it has moved.
    making: Option<Arc<Snapshot>>,
    /// The snapshot of which listener, routes and filter may be in force.
    moved: Option<Arc<Snapshot>>,
    clusters: Track<ResourceSet>,
    limits: Track<Limits>,
    filters: Track<Snapshot>,
    /// The node had nothing when it connected.
    is_new: bool,
    /// What the node kept from an earlier stream, until we know its filter's configuration; limits a little longer.
    inherited_clusters: Option<Arc<ResourceSet>>,
    inherited_limits: Option<Arc<Limits>>,
}

/// What the node has of one type.
#[derive(Debug)]
struct Track<T> {
    subscribed: bool,
    /// Sent and not answered yet.
    sent: Option<Arc<T>>,
    /// Acknowledged last.
    in_force: Option<Arc<T>>,
    /// Rejected since then, the last one.
    rejected: Option<Arc<T>>,
}

impl<T> Track<T> {
    const fn new() -> Self {
        Self { subscribed: false, sent: None, in_force: None, rejected: None }
    }

    fn sent(&mut self, what: Option<Arc<T>>) {
        self.sent = what;
    }

    fn acked(&mut self) {
        if let Some(sent) = self.sent.take() {
            self.in_force = Some(sent);
            self.rejected = None;
        }
    }

    /// Whether the node has something that is right, with `or_offered` also whether it was offered it and rejected it.
    ///
    /// What was sent since must be right too: it may be in force already. So must what was rejected since, of which Envoy takes
    /// what it can, and takes away what is not in it.
    fn has(&self, or_offered: bool, is_right: impl Fn(&T) -> bool) -> bool {
        let right = |what: &Option<Arc<T>>| what.as_ref().is_some_and(|what| is_right(what));
        let not_wrong = |what: &Option<Arc<T>>| what.is_none() || right(what);
        !self.subscribed
            || right(&self.in_force) && not_wrong(&self.sent) && not_wrong(&self.rejected)
            || or_offered && right(&self.rejected) && not_wrong(&self.sent)
    }

    /// Whether the last answer was a rejection, and nothing was sent since.
    fn is_refused(&self) -> bool {
        self.rejected.is_some() && self.sent.is_none()
    }

    fn rejected(&mut self) {
        self.rejected = self.sent.take();
    }
}

impl Order {
    /// A node that has just connected and shall have `target`.
    pub(crate) fn new(target: Arc<Snapshot>) -> Self {
        Self {
            target,
            making: None,
            moved: None,
            clusters: Track::new(),
            limits: Track::new(),
            filters: Track::new(),
            is_new: true,
            inherited_clusters: None,
            inherited_limits: None,
        }
    }

    /// The node shall have another snapshot.
    pub(crate) fn retarget(&mut self, target: Arc<Snapshot>) {
        self.target = target;
    }

    /// What the node shall have in the end.
    pub(crate) fn target(&self) -> &Arc<Snapshot> {
        &self.target
    }

    /// The generation of the filter's configuration that the node has acknowledged on this stream.
    pub(crate) fn generation_in_force(&self) -> Option<u64> {
        self.filters.in_force.as_ref().map(|snapshot| snapshot.generation)
    }

    /// The node has, or has no longer, a subscription to this type. A type without one holds nothing up.
    pub(crate) fn subscribed(&mut self, ty: ResourceType, subscribed: bool) {
        let track = match ty {
            ResourceType::Cluster => &mut self.clusters.subscribed,
            ResourceType::Runtime => &mut self.limits.subscribed,
            _ => return,
        };
        let is_news = subscribed && !*track;
        *track = subscribed;
        // A node's first requests come one by one: what seemed to need nothing may have to be made after all.
        if is_news && self.filters.sent.is_none() && self.filters.in_force.is_none() {
            (self.making, self.moved) = (None, None);
        }
    }

    /// The node has configuration from an earlier stream.
    pub(crate) fn has_kept_something(&mut self) {
        self.is_new = false;
    }

    /// The node has these clusters from an earlier stream, and perhaps a filter's configuration that names them.
    pub(crate) fn inherit_clusters(&mut self, clusters: Option<Arc<ResourceSet>>) {
        self.inherited_clusters = clusters.filter(|_| self.filters.in_force.is_none());
    }

    /// The node has these limits from an earlier stream, and perhaps a filter's configuration that counts on them.
    pub(crate) fn inherit_limits(&mut self, limits: Option<Arc<Limits>>) {
        self.inherited_limits = limits.filter(|_| self.filters.in_force.is_none());
    }

    /// Whether limits from an earlier stream are kept up although the node has acknowledged its filter's configuration: its threads
    /// have that a little later, so they are to linger before [`Self::release_limits`].
    pub(crate) fn limits_linger(&self) -> bool {
        self.inherited_limits.is_some() && self.filters.in_force.is_some()
    }

    /// No thread of the node counts on limits from an earlier stream any more.
    pub(crate) fn release_limits(&mut self) {
        self.inherited_limits = None;
    }

    /// Keeps what was sent last, for the node's next stream.
    pub(crate) fn remember(&self, ty: ResourceType, version: &Version, history: &History) {
        if let (ResourceType::Cluster, Some(sent)) = (ty, &self.clusters.sent) {
            history.clusters.remember(version, sent.clone());
        }
        if let (ResourceType::Runtime, Some(sent)) = (ty, &self.limits.sent) {
            history.limits.remember(version, sent.clone());
        }
    }

    /// What is wanted of this type was sent.
    pub(crate) fn sent(&mut self, ty: ResourceType) {
        match ty {
            ResourceType::Cluster => self.clusters.sent(Some(self.wanted_clusters())),
            ResourceType::Runtime => self.limits.sent(Some(self.wanted_limits())),
            ResourceType::Filter => self.filters.sent(self.moved.clone()),
            _ => {}
        }
    }

    /// The node has what was sent last of this type.
    pub(crate) fn acked(&mut self, ty: ResourceType) {
        match ty {
            ResourceType::Cluster => self.clusters.acked(),
            ResourceType::Runtime => self.limits.acked(),
            ResourceType::Filter => {
                self.filters.acked();
                self.inherited_clusters = None;
            }
            _ => {}
        }
    }

    /// The node has what is wanted of this type without having been sent it on this stream; whether that is news.
    pub(crate) fn confirm(&mut self, ty: ResourceType) -> bool {
        let news = match ty {
            ResourceType::Cluster => self.clusters.in_force.is_none(),
            ResourceType::Runtime => self.limits.in_force.is_none(),
            ResourceType::Filter => self.filters.in_force.is_none(),
            _ => false,
        };
        if news {
            self.sent(ty);
            self.acked(ty);
        }
        news
    }

    /// The node refuses what was sent last of this type.
    pub(crate) fn rejected(&mut self, ty: ResourceType) {
        match ty {
            ResourceType::Cluster => self.clusters.rejected(),
            ResourceType::Runtime => self.limits.rejected(),
            ResourceType::Filter => self.filters.rejected(),
            _ => {}
        }
    }

    /// Goes as many steps as the answers so far allow.
    pub(crate) fn advance(&mut self) {
        loop {
            // Made => moved.
            if let Some(making) = self.making.take() {
                if self.is_made(&making) {
                    self.moved = Some(making);
                } else if self.is_refused() {
                    // Refused: only another content can help, so the newest one is next.
                } else {
                    self.making = Some(making);
                    return;
                }
            }
            // Moved | refused => making the newest.
            let done = self.moved.as_ref().is_some_and(|moved| Arc::ptr_eq(moved, &self.target));
            if done {
                return;
            }
            self.making = Some(self.target.clone());
            if !self.is_made(&self.target) {
                return;
            }
        }
    }

    /// Whether the node has all the clusters and limits that the configuration of `snapshot` needs.
    ///
    /// A node that has no configuration of ours has nothing that could break. It need only have been offered the clusters: Envoy
    /// takes what it can of a response that it rejects, and a part of the workers is better than none. Limits it takes or
    /// does not take as a whole; a node that refused them and got a configuration all the same would state no version
    /// of them on its next stream, and be sent lower ones than that configuration needs.
    ///
    /// A configuration that names no cluster which the one in force does not name needs none made: so a worker can be removed
    /// from a node that has refused its clusters from the start.
    fn is_made(&self, snapshot: &Snapshot) -> bool {
        let is_bare = self.is_new && self.filters.in_force.is_none() && self.clusters.in_force.is_none();
        let in_force = self.filters.in_force.as_ref();
        let names_nothing_new = in_force.is_some_and(|in_force| in_force.named.covers(&snapshot.named));
        (names_nothing_new || self.clusters.has(is_bare, |set| set.covers(&snapshot.named)))
            && self.limits.has(false, |limits| limits.covers(&snapshot.limits))
    }

    fn is_refused(&self) -> bool {
        self.clusters.is_refused() || self.limits.is_refused()
    }

    /// The snapshots whose configuration the node uses, was sent or gets next, the newest first.
    fn users(&self) -> impl Iterator<Item = &Arc<Snapshot>> {
        [&self.making, &self.moved, &self.filters.sent, &self.filters.in_force].into_iter().flatten()
    }

    fn wanted_clusters(&self) -> Arc<ResourceSet> {
        let needed: Vec<_> = self.users().map(|snapshot| self.needed_clusters(snapshot)).collect();
        ResourceSet::union(needed.iter().chain(&self.inherited_clusters))
    }

    /// The clusters of a snapshot without those of workers that drain where the node has none of theirs. It can have no requests
    /// there: it has refused the cluster, or was never sent it. Offered once more, it would only be refused once more, with all
    /// that came since, and the worker would drain for ever.
    fn needed_clusters(&self, snapshot: &Snapshot) -> Arc<ResourceSet> {
        let Some(has) = &self.clusters.in_force else { return snapshot.clusters.clone() };
        let is_named = |name: &str| self.users().any(|user| user.named.get(name).is_some());
        let is_needed =
            |name: &str| snapshot.named.get(name).is_some() || has.get(name).is_some() || is_named(name);
        // Mostly nothing drains, and then nobody has to look.
        let is_whole = Arc::ptr_eq(&snapshot.clusters, &snapshot.named)
            || snapshot.clusters.iter().all(|cluster| is_needed(cluster.name()));
        if is_whole { snapshot.clusters.clone() } else { Arc::new(snapshot.clusters.select(is_needed)) }
    }

    /// What the node shall have of this type in the end.
    pub(crate) fn goal(&self, ty: ResourceType) -> Arc<ResourceSet> {
        match ty {
            ResourceType::Cluster => self.needed_clusters(&self.target),
            _ => self.target.set(ty).clone(),
        }
    }

    fn wanted_limits(&self) -> Arc<Limits> {
        let needed = self.users().map(|snapshot| &snapshot.limits);
        Limits::highest(needed.chain(&self.inherited_limits).chain([&self.target.lingering]))
    }

    /// The store's revision behind what is wanted of a type of Envoy's: its newest part.
    pub(crate) fn revision_of(&self, ty: ResourceType) -> Option<u64> {
        let newest = match ty {
            ResourceType::Cluster | ResourceType::Runtime => self.users().next(),
            ResourceType::Listener | ResourceType::Route | ResourceType::Filter => self.moved.as_ref(),
            // What agents are told has no part in a generation.
            ResourceType::ServerLimits | ResourceType::ResourceProfiles | ResourceType::BackupJob => None,
        };
        newest.map(|snapshot| snapshot.revision)
    }

    /// What may be in force of this type now; `None` for what must wait.
    pub(crate) fn wanted(&self, ty: ResourceType) -> Option<Arc<ResourceSet>> {
        if self.making.is_none() && self.moved.is_none() {
            return None;
        }
        match ty {
            ResourceType::Cluster => Some(self.wanted_clusters()),
            ResourceType::Runtime => Some(self.wanted_limits().resources().clone()),
            ResourceType::Listener => self.moved.as_ref().map(|snapshot| snapshot.listeners.clone()),
            ResourceType::Route => self.moved.as_ref().map(|snapshot| snapshot.routes.clone()),
            ResourceType::Filter => self.moved.as_ref().map(|snapshot| snapshot.filters.clone()),
            // Nothing of Envoy's needs these, and they need nothing of it.
            ResourceType::ServerLimits | ResourceType::ResourceProfiles | ResourceType::BackupJob => {
                Some(self.target.set(ty).clone())
            }
        }
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
