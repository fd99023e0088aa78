//! One stream: its subscriptions and the order of its changes. It does no input or output itself.

use std::sync::Arc;

use tonic::Status;

use crate::{
    Catalog, PushRole, ResourceType,
    bounds::Bounds,
    history::SentHistory,
    limits::NAMES_MAX,
    message::{Incoming, Outgoing},
    order::Order,
    resource_set::ResourceSet,
    revision_span::{RevisionSpan, Revisions},
    snapshot::Snapshot,
    subscription::{Answer, Offer, Subscription, SubscriptionState},
    version::Version,
};

/// The result of a request that is of interest beyond the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionEvent {
    /// Nothing of note.
    None,
    /// The node accepted what was sent of this type.
    Acked(ResourceType),
    /// The node rejected what was sent of this type, with its reason.
    Rejected(ResourceType, String),
    /// The node asks for a type that is not served; such a request is never answered.
    UnknownType(String),
}

/// One stream of one node.
#[derive(Debug)]
pub(crate) struct Session {
    node_id: String,
    catalog: Arc<Catalog>,
    /// By position in the catalog.
    streams: Vec<TypeStream>,
    order: Order,
}

/// One type on the stream.
#[derive(Debug, Default)]
struct TypeStream {
    subscription: Subscription,
    revisions: Revisions,
}

impl Session {
    pub(crate) fn new(node_id: &str, catalog: Arc<Catalog>, target: Arc<Snapshot>) -> Self {
        let streams = catalog.types().iter().map(|_| TypeStream::default()).collect();
        Self { node_id: node_id.to_owned(), catalog, streams, order: Order::new(target) }
    }

    /// Replaces the snapshot that the node shall have in the end.
    pub(crate) fn retarget(&mut self, target: Arc<Snapshot>) {
        self.order.retarget(target);
    }

    /// Returns the snapshot that the node shall have in the end.
    pub(crate) fn target(&self) -> &Arc<Snapshot> {
        self.order.target()
    }

    /// Takes a request in.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` for a subscription with too many names.
    pub(crate) fn receive(
        &mut self,
        incoming: Incoming,
        history: &SentHistory,
    ) -> Result<SessionEvent, Status> {
        let Incoming { type_url, mut request } = incoming;
        let Some(position) = self.catalog.position(&type_url) else {
            return Ok(SessionEvent::UnknownType(type_url));
        };
        let (ty, stream) = (self.catalog.types()[position], &mut self.streams[position]);
        let subscription = &mut stream.subscription;
        let was_new = !subscription.interest().is_something();
        let stated = request.stated();
        if was_new && stated.is_some() {
            self.order.has_kept_something();
        }
        if was_new
            && ty.role() == PushRole::Referenced
            && let Some(unconfirmed) = history.unconfirmed.of(&self.node_id)
        {
            request.doubt(&unconfirmed);
        }
        let answer = subscription.receive(request, ty.is_wildcard());
        if subscription.interest().len() > NAMES_MAX {
            return Err(Status::resource_exhausted(format!("a subscription can list {NAMES_MAX} names")));
        }
        self.order.set_subscribed(ty, subscription.interest().is_something());
        match ty.role() {
            PushRole::Referenced if was_new => {
                let kept = stated.and_then(|version| history.referenced.recall(&version));
                self.order.inherit_referenced(kept);
            }
            PushRole::Bound if was_new => {
                let kept = stated.map(|version| self.kept_bounds(&version, history));
                self.order.inherit_bounds(kept);
            }
            PushRole::Referenced if answer == Answer::Acked => history.unconfirmed.acked(&self.node_id),
            _ => {}
        }
        Ok(self.answered(position, answer))
    }

    fn answered(&mut self, position: usize, answer: Answer) -> SessionEvent {
        let (ty, stream) = (self.catalog.types()[position], &mut self.streams[position]);
        match answer {
            Answer::None => SessionEvent::None,
            Answer::Acked => {
                self.order.acked(ty);
                stream.revisions.acked();
                SessionEvent::Acked(ty)
            }
            Answer::Rejected(reason) => {
                self.order.rejected(ty);
                SessionEvent::Rejected(ty, reason)
            }
        }
    }

    /// Returns the bounds that the node has kept. If another control plane issued them, or this one before its restart, they are
    /// unknown: the node may use a root that was replaced meanwhile, so no bound may be lower until that is over.
    fn kept_bounds(&self, stated: &Version, history: &SentHistory) -> Arc<Bounds> {
        let wanted = self.order.target().bounds.needed();
        if stated == wanted.resources().version() {
            return wanted.clone();
        }
        history.bounds.recall(stated).unwrap_or_else(|| Arc::new(wanted.open()))
    }

    /// See [`Order::has_lingering_bounds`].
    pub(crate) fn has_lingering_bounds(&self) -> bool {
        self.order.has_lingering_bounds()
    }

    /// See [`Order::release_inherited_bounds`].
    pub(crate) fn release_inherited_bounds(&mut self) {
        self.order.release_inherited_bounds();
    }

    /// Returns the responses that are due now, in the order in which they must be sent. They count as sent.
    pub(crate) fn responses(&mut self, history: &SentHistory) -> Vec<Outgoing> {
        let mut responses = Vec::new();
        loop {
            self.order.advance();
            let mut is_confirmed = false;
            for (ty, stream) in self.catalog.types().iter().copied().zip(&mut self.streams) {
                let Some(set) = self.order.wanted(ty) else { continue };
                let selected = select(&set, &stream.subscription);
                match stream.subscription.offer(&selected) {
                    Offer::Hold => {}
                    // Unknown only at the start of a stream, where the node has kept it from the stream before.
                    Offer::InForce => {
                        stream.revisions.has(self.order.revision_of(ty));
                        is_confirmed |= self.order.confirm(ty);
                    }
                    Offer::Send(nonce, difference) => {
                        stream.revisions.sent(self.order.revision_of(ty));
                        self.order.sent(ty);
                        self.order.remember(ty, selected.version(), history);
                        if ty.role() == PushRole::Referenced {
                            history.unconfirmed.sent(&self.node_id, &selected);
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
            if !is_confirmed {
                return responses;
            }
        }
    }

    /// Returns the types that the node subscribes to, each with the version that it shall have in the end, the one that it has,
    /// and how the two compare.
    pub(crate) fn states(
        &self,
    ) -> impl Iterator<Item = (ResourceType, Version, Option<Version>, SubscriptionState)> {
        let types = self.catalog.types().iter().copied().zip(&self.streams);
        let types = types.filter(|(_, stream)| stream.subscription.interest().is_something());
        types.map(|(ty, TypeStream { subscription, .. })| {
            let wanted = select(&self.order.goal(ty), subscription).version().clone();
            let acked = subscription.acked().cloned();
            let state = if subscription.is_rejected() {
                SubscriptionState::Rejected
            } else if acked.as_ref() == Some(&wanted) {
                SubscriptionState::Synced
            } else {
                SubscriptionState::Stale
            };
            (ty, wanted, acked, state)
        })
    }

    /// Returns which changes are in what the node has just rejected of this type, and in nothing of it that it has accepted.
    pub(crate) fn rejected_revisions(&self, ty: ResourceType) -> Option<RevisionSpan> {
        let position = self.catalog.position(ty.type_url())?;
        self.streams[position].revisions.span()
    }

    /// Returns the generation of the root that the node has acknowledged on this stream.
    pub(crate) fn generation_in_force(&self) -> Option<u64> {
        self.order.generation_in_force()
    }
}

/// Returns the part of `set` that the node wants.
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
