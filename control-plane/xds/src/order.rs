//! Make before break: the part of a snapshot that may be in force at a node now.
//!
//! Only the root names other resources, and it counts on bounds being no lower than it needs. So a snapshot comes into force in
//! three steps, each after the acknowledgement of the one before:
//!
//! 1. **make**: referenced resources and bounds of every root that is in force, on its way or next;
//! 2. **move**: dependent resources and the root;
//! 3. **break**: referenced resources and bounds without what no root needs any more.
//!
//! A snapshot that comes while another is being made waits until that one has moved, so that a constant stream of changes
//! cannot keep a change from coming into force. Steps are not stored: what may be in force follows from which roots the node may
//! be using, so no order of answers can lead to a wrong one.
//!
//! Background: <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations>.

use std::sync::Arc;

use crate::{
    PushRole, ResourceType, bounds::Bounds, history::SentHistory, resource_set::ResourceSet,
    snapshot::Snapshot, version::Version,
};

/// The order of one node's changes.
#[derive(Debug)]
pub(crate) struct Order {
    target: Arc<Snapshot>,
    /// The snapshot whose referenced resources and bounds are on their way; `None` once it has moved.
    making: Option<Arc<Snapshot>>,
    /// The snapshot whose dependent resources and root may be in force.
    moved: Option<Arc<Snapshot>>,
    referenced: Track<ResourceSet>,
    bounds: Track<Bounds>,
    root: Track<Snapshot>,
    /// The node had nothing when it connected.
    is_new: bool,
    /// What the node kept from an earlier stream, until its root is known; bounds are kept up a little longer.
    inherited_referenced: Option<Arc<ResourceSet>>,
    inherited_bounds: Option<Arc<Bounds>>,
}

/// What the node has of one role.
#[derive(Debug)]
struct Track<T> {
    is_subscribed: bool,
    /// Sent and not answered yet.
    sent: Option<Arc<T>>,
    /// Acknowledged last.
    in_force: Option<Arc<T>>,
    /// Rejected since then, the last one.
    rejected: Option<Arc<T>>,
}

impl<T> Track<T> {
    const fn new() -> Self {
        Self { is_subscribed: false, sent: None, in_force: None, rejected: None }
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

    fn rejected(&mut self) {
        self.rejected = self.sent.take();
    }

    /// Returns whether the node has something that is right; with `or_offered` also whether it was offered it and rejected it.
    ///
    /// What was sent since must be right too: it may be in force already. So must what was rejected since: Envoy takes the valid
    /// part of it, and removes what is not in it.
    fn has(&self, or_offered: bool, is_right: impl Fn(&T) -> bool) -> bool {
        let right = |what: &Option<Arc<T>>| what.as_ref().is_some_and(|what| is_right(what));
        let not_wrong = |what: &Option<Arc<T>>| what.is_none() || right(what);
        !self.is_subscribed
            || right(&self.in_force) && not_wrong(&self.sent) && not_wrong(&self.rejected)
            || or_offered && right(&self.rejected) && not_wrong(&self.sent)
    }

    /// Returns whether the last answer was a rejection and nothing was sent since.
    fn is_rejected(&self) -> bool {
        self.rejected.is_some() && self.sent.is_none()
    }
}

impl Order {
    /// Returns the order for a node that has just connected and shall have `target`.
    pub(crate) fn new(target: Arc<Snapshot>) -> Self {
        Self {
            target,
            making: None,
            moved: None,
            referenced: Track::new(),
            bounds: Track::new(),
            root: Track::new(),
            is_new: true,
            inherited_referenced: None,
            inherited_bounds: None,
        }
    }

    /// Replaces the snapshot that the node shall have in the end.
    pub(crate) fn retarget(&mut self, target: Arc<Snapshot>) {
        self.target = target;
    }

    /// Returns the snapshot that the node shall have in the end.
    pub(crate) fn target(&self) -> &Arc<Snapshot> {
        &self.target
    }

    /// Returns the generation of the root that the node has acknowledged on this stream.
    pub(crate) fn generation_in_force(&self) -> Option<u64> {
        self.root.in_force.as_ref().map(|snapshot| snapshot.generation)
    }

    /// Records whether the node has a subscription to this type. A type without one holds nothing up.
    pub(crate) fn set_subscribed(&mut self, ty: ResourceType, is_subscribed: bool) {
        let track = match ty.role() {
            PushRole::Referenced => &mut self.referenced.is_subscribed,
            PushRole::Bound => &mut self.bounds.is_subscribed,
            PushRole::Dependent | PushRole::Root | PushRole::Independent => return,
        };
        let is_first = is_subscribed && !*track;
        *track = is_subscribed;
        // A node's first requests come one by one: a step that seemed to need nothing may have to be made after all.
        if is_first && self.root.sent.is_none() && self.root.in_force.is_none() {
            (self.making, self.moved) = (None, None);
        }
    }

    /// Records that the node has configuration from an earlier stream.
    pub(crate) fn has_kept_something(&mut self) {
        self.is_new = false;
    }

    /// Records the referenced resources that the node has from an earlier stream, perhaps with a root that names them.
    pub(crate) fn inherit_referenced(&mut self, referenced: Option<Arc<ResourceSet>>) {
        self.inherited_referenced = referenced.filter(|_| self.root.in_force.is_none());
    }

    /// Records the bounds that the node has from an earlier stream, perhaps with a root that counts on them.
    pub(crate) fn inherit_bounds(&mut self, bounds: Option<Arc<Bounds>>) {
        self.inherited_bounds = bounds.filter(|_| self.root.in_force.is_none());
    }

    /// Returns whether bounds from an earlier stream are kept up although the node has acknowledged its root. The node's threads
    /// have the root a little later, so the bounds linger before [`Self::release_inherited_bounds`].
    pub(crate) fn has_lingering_bounds(&self) -> bool {
        self.inherited_bounds.is_some() && self.root.in_force.is_some()
    }

    /// Records that no thread of the node counts on bounds from an earlier stream any more.
    pub(crate) fn release_inherited_bounds(&mut self) {
        self.inherited_bounds = None;
    }

    /// Keeps what was sent last, for the node's next stream.
    pub(crate) fn remember(&self, ty: ResourceType, version: &Version, history: &SentHistory) {
        match (ty.role(), &self.referenced.sent, &self.bounds.sent) {
            (PushRole::Referenced, Some(sent), _) => history.referenced.remember(version, sent.clone()),
            (PushRole::Bound, _, Some(sent)) => history.bounds.remember(version, sent.clone()),
            _ => {}
        }
    }

    /// Records that the wanted resources of this type were sent.
    pub(crate) fn sent(&mut self, ty: ResourceType) {
        match ty.role() {
            PushRole::Referenced => self.referenced.sent(Some(self.wanted_referenced())),
            PushRole::Bound => self.bounds.sent(Some(self.wanted_bounds())),
            PushRole::Root => self.root.sent(self.moved.clone()),
            PushRole::Dependent | PushRole::Independent => {}
        }
    }

    /// Records that the node has what was sent last of this type.
    pub(crate) fn acked(&mut self, ty: ResourceType) {
        match ty.role() {
            PushRole::Referenced => self.referenced.acked(),
            PushRole::Bound => self.bounds.acked(),
            PushRole::Root => {
                self.root.acked();
                self.inherited_referenced = None;
            }
            PushRole::Dependent | PushRole::Independent => {}
        }
    }

    /// Records that the node has the wanted resources of this type without having been sent them on this stream, and returns
    /// whether that was unknown.
    pub(crate) fn confirm(&mut self, ty: ResourceType) -> bool {
        let was_unknown = match ty.role() {
            PushRole::Referenced => self.referenced.in_force.is_none(),
            PushRole::Bound => self.bounds.in_force.is_none(),
            PushRole::Root => self.root.in_force.is_none(),
            PushRole::Dependent | PushRole::Independent => false,
        };
        if was_unknown {
            self.sent(ty);
            self.acked(ty);
        }
        was_unknown
    }

    /// Records that the node rejects what was sent last of this type.
    pub(crate) fn rejected(&mut self, ty: ResourceType) {
        match ty.role() {
            PushRole::Referenced => self.referenced.rejected(),
            PushRole::Bound => self.bounds.rejected(),
            PushRole::Root => self.root.rejected(),
            PushRole::Dependent | PushRole::Independent => {}
        }
    }

    /// Goes as many steps as the answers so far allow.
    pub(crate) fn advance(&mut self) {
        loop {
            // Made => moved.
            if let Some(making) = self.making.take() {
                if self.is_made(&making) {
                    self.moved = Some(making);
                } else if self.referenced.is_rejected() || self.bounds.is_rejected() {
                    // Only another content can help, so the newest one is next.
                } else {
                    self.making = Some(making);
                    return;
                }
            }
            // Moved | rejected => making the newest.
            let is_done = self.moved.as_ref().is_some_and(|moved| Arc::ptr_eq(moved, &self.target));
            if is_done {
                return;
            }
            self.making = Some(self.target.clone());
            if !self.is_made(&self.target) {
                return;
            }
        }
    }

    /// Returns whether the node has all referenced resources and bounds that the root of `snapshot` needs.
    ///
    /// A node without a root of this server has nothing that could break. It need only have been offered the referenced
    /// resources: Envoy takes the valid part of a response that it rejects, and a part is better than nothing. Bounds it takes or
    /// rejects as a whole; a node that rejected them and got a root all the same would state no version of them on its next
    /// stream, and be sent lower ones than that root needs.
    ///
    /// A root that names nothing that the one in force does not name needs nothing made: so a resource can be removed from a node
    /// that has rejected it from the start.
    fn is_made(&self, snapshot: &Snapshot) -> bool {
        let is_bare = self.is_new && self.root.in_force.is_none() && self.referenced.in_force.is_none();
        let in_force = self.root.in_force.as_ref();
        let names_nothing_new = in_force.is_some_and(|in_force| in_force.named.covers(&snapshot.named));
        (names_nothing_new || self.referenced.has(is_bare, |set| set.covers(&snapshot.named)))
            && self.bounds.has(false, |bounds| bounds.covers(snapshot.bounds.needed()))
    }

    /// Returns the snapshots whose root the node uses, was sent or gets next, the newest first.
    fn users(&self) -> impl Iterator<Item = &Arc<Snapshot>> {
        [&self.making, &self.moved, &self.root.sent, &self.root.in_force].into_iter().flatten()
    }

    fn wanted_referenced(&self) -> Arc<ResourceSet> {
        let needed: Vec<_> = self.users().map(|snapshot| self.needed_referenced(snapshot)).collect();
        ResourceSet::union(needed.iter().chain(&self.inherited_referenced))
    }

    /// Returns the referenced resources of a snapshot, without those that no root names where the node has none of them. The node
    /// has rejected such a resource or was never sent it. Offered once more it would be rejected once more, together with all
    /// that came since, and its removal would never end.
    fn needed_referenced(&self, snapshot: &Snapshot) -> Arc<ResourceSet> {
        let Some(has) = &self.referenced.in_force else { return snapshot.referenced.clone() };
        let is_named = |name: &str| self.users().any(|user| user.named.get(name).is_some());
        let is_needed =
            |name: &str| snapshot.named.get(name).is_some() || has.get(name).is_some() || is_named(name);
        // Mostly the root names all of them.
        let is_whole = Arc::ptr_eq(&snapshot.referenced, &snapshot.named)
            || snapshot.referenced.iter().all(|resource| is_needed(resource.name()));
        if is_whole { snapshot.referenced.clone() } else { Arc::new(snapshot.referenced.select(is_needed)) }
    }

    /// Returns what the node shall have of this type in the end.
    pub(crate) fn goal(&self, ty: ResourceType) -> Arc<ResourceSet> {
        match ty.role() {
            PushRole::Referenced => self.needed_referenced(&self.target),
            _ => self.target.set(ty),
        }
    }

    fn wanted_bounds(&self) -> Arc<Bounds> {
        let needed = self.users().map(|snapshot| snapshot.bounds.needed());
        Bounds::highest(self.target.bounds.in_force(), needed.chain(&self.inherited_bounds))
    }

    /// Returns the source's revision behind the wanted resources of a type: the newest one. Independent resources have no part
    /// in the root's revisions.
    pub(crate) fn revision_of(&self, ty: ResourceType) -> Option<u64> {
        let newest = match ty.role() {
            PushRole::Referenced | PushRole::Bound => self.users().next(),
            PushRole::Dependent | PushRole::Root => self.moved.as_ref(),
            PushRole::Independent => None,
        };
        newest.map(|snapshot| snapshot.revision)
    }

    /// Returns what may be in force of this type now; `None` for what must wait.
    pub(crate) fn wanted(&self, ty: ResourceType) -> Option<Arc<ResourceSet>> {
        if self.making.is_none() && self.moved.is_none() {
            return None;
        }
        match ty.role() {
            PushRole::Referenced => Some(self.wanted_referenced()),
            PushRole::Bound => Some(self.wanted_bounds().resources().clone()),
            PushRole::Dependent | PushRole::Root => self.moved.as_ref().map(|snapshot| snapshot.set(ty)),
            PushRole::Independent => Some(self.target.set(ty)),
        }
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
