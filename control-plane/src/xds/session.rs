//! One stream: its subscriptions and the order of its changes. It does no input or output itself.

use std::sync::Arc;

use tonic::Status;

use super::{
    ResourceType,
    coordinators::SyncState,
    history::History,
    limits::NAMES_MAX,
    message::{Incoming, Outgoing},
    order::Order,
    resource_set::{ResourceSet, Version},
    resources::runtime::Limits,
    revision_span::{RevisionSpan, Revisions},
    snapshot::Snapshot,
    subscription::{Answer, Offer, Subscription},
};

/// What a request led to that others should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Nothing of note.
    None,
    /// The node accepted what was sent of this type.
    Acked(ResourceType),
    /// The node refused what was sent of this type, and why.
    Rejected(ResourceType, String),
    /// A type that we do not serve; it is never answered.
    Unknown(String),
}

/// One stream of one node.
#[derive(Debug)]
pub(crate) struct Session {
    node_id: String,
    subscriptions: [Subscription; ResourceType::ALL.len()],
    /// By type, as the subscriptions are.
    revisions: [Revisions; ResourceType::ALL.len()],
    order: Order,
}

impl Session {
    pub(crate) fn new(node_id: &str, target: Arc<Snapshot>) -> Self {
        Self {
            node_id: node_id.to_owned(),
            subscriptions: Default::default(),
            revisions: Default::default(),
            order: Order::new(target),
        }
    }

    pub(crate) fn retarget(&mut self, target: Arc<Snapshot>) {
        self.order.retarget(target);
    }

    /// What the node shall have in the end.
    pub(crate) fn target(&self) -> &Arc<Snapshot> {
        self.order.target()
    }

    fn subscription(&self, ty: ResourceType) -> &Subscription {
        &self.subscriptions[ty as usize]
    }

    /// Takes a request in.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` for a subscription with too many names.
    pub(crate) fn receive(&mut self, incoming: Incoming, history: &History) -> Result<Event, Status> {
        let Incoming { type_url, mut request } = incoming;
        let Some(ty) = ResourceType::from_type_url(&type_url) else {
            return Ok(Event::Unknown(type_url));
        };
        let subscription = &mut self.subscriptions[ty as usize];
        let was_new = !subscription.interest().is_something();
        let stated = request.stated();
        if was_new && stated.is_some() {
            self.order.has_kept_something();
        }
        if was_new
            && ty == ResourceType::Cluster
            && let Some(offered) = history.doubts.of(&self.node_id)
        {
            request.doubt(&offered);
        }
        let answer = subscription.receive(request, ty.is_wildcard());
        if subscription.interest().len() > NAMES_MAX {
            return Err(Status::resource_exhausted(format!("a subscription can list {NAMES_MAX} names")));
        }
        self.order.subscribed(ty, subscription.interest().is_something());
        match ty {
            ResourceType::Cluster if was_new => {
                self.order.inherit_clusters(stated.and_then(|version| history.clusters.recall(&version)));
            }
            ResourceType::Runtime if was_new => {
                let limits = stated.map(|version| self.kept_limits(&version, history));
                self.order.inherit_limits(limits);
            }
            ResourceType::Cluster if answer == Answer::Acked => history.doubts.settle(&self.node_id),
            _ => {}
        }
        Ok(match answer {
            Answer::None => Event::None,
            Answer::Acked => {
                self.order.acked(ty);
                self.revisions[ty as usize].acked();
                Event::Acked(ty)
            }
            Answer::Rejected(reason) => {
                self.order.rejected(ty);
                Event::Rejected(ty, reason)
            }
        })
    }

    /// The limits that the node has kept. Those of another control plane, or of this one before it was started anew, are not known:
    /// its filter may give out slots of a capacity that was lowered meanwhile, so none may be lower until that is over.
    fn kept_limits(&self, stated: &Version, history: &History) -> Arc<Limits> {
        let wanted = &self.order.target().limits;
        if stated == wanted.resources().version() {
            return wanted.clone();
        }
        history.limits.recall(stated).unwrap_or_else(|| Arc::new(wanted.open()))
    }

    /// See [`Order::limits_linger`].
    pub(crate) fn limits_linger(&self) -> bool {
        self.order.limits_linger()
    }

    /// See [`Order::release_limits`].
    pub(crate) fn release_limits(&mut self) {
        self.order.release_limits();
    }

    /// The responses that are due now, in the order in which they must be sent; they count as sent.
    pub(crate) fn responses(&mut self, history: &History) -> Vec<Outgoing> {
        let mut responses = Vec::new();
        loop {
            self.order.advance();
            let mut confirmed = false;
            for ty in ResourceType::ALL {
                let Some(set) = self.order.wanted(ty) else { continue };
                let subscription = &mut self.subscriptions[ty as usize];
                let selected = select(&set, subscription);
                match subscription.offer(&selected) {
                    Offer::Hold => {}
                    // Only news at the start of a stream, where the node has kept it from the stream before.
                    Offer::InForce => {
                        self.revisions[ty as usize].has(self.order.revision_of(ty));
                        confirmed |= self.order.confirm(ty);
                    }
                    Offer::Send(nonce, difference) => {
                        self.revisions[ty as usize].sent(self.order.revision_of(ty));
                        self.order.sent(ty);
                        self.order.remember(ty, selected.version(), history);
                        if ty == ResourceType::Cluster {
                            history.doubts.offered(&self.node_id, &selected);
                        }
                        responses.push(Outgoing {
                            ty,
                            whole: selected.clone(),
                            nonce,
                            resources: difference.resources,
                            removed: difference.removed,
                        });
                    }
                }
            }
            if !confirmed {
                return responses;
            }
        }
    }

    /// The types that the node subscribes to: the version that it shall have in the end, the one that it has, and how
    /// the two compare.
    pub(crate) fn states(&self) -> impl Iterator<Item = (ResourceType, Version, Option<Version>, SyncState)> {
        let types =
            ResourceType::ALL.into_iter().filter(|ty| self.subscription(*ty).interest().is_something());
        types.map(|ty| {
            let subscription = self.subscription(ty);
            let wanted = select(&self.order.goal(ty), subscription).version().clone();
            let acked = subscription.acked().cloned();
            let state = if subscription.is_rejected() {
                SyncState::Rejected
            } else if acked.as_ref() == Some(&wanted) {
                SyncState::Synced
            } else {
                SyncState::Stale
            };
            (ty, wanted, acked, state)
        })
    }

    /// Which changes are in what the node has just refused of this type, and in nothing of it that it has accepted.
    pub(crate) fn refused_revisions(&self, ty: ResourceType) -> Option<RevisionSpan> {
        self.revisions[ty as usize].span()
    }

    /// The generation of the filter's configuration that the node has acknowledged on this stream.
    pub(crate) fn generation_in_force(&self) -> Option<u64> {
        self.order.generation_in_force()
    }
}

/// What of `set` the node wants.
fn select(set: &Arc<ResourceSet>, subscription: &Subscription) -> Arc<ResourceSet> {
    let interest = subscription.interest();
    if interest.wants_all() || set.iter().all(|resource| interest.wants(resource.name())) {
        set.clone()
    } else {
        Arc::new(set.select(|name| interest.wants(name)))
    }
}

#[cfg(test)]
#[path = "session_tests/mod.rs"]
mod tests;
