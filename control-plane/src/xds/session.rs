//! One stream: its subscriptions and the order of its changes. It does no input or output itself.

use std::{collections::BTreeSet, sync::Arc};

use envoy_types::pb::envoy::{
    config::core::v3::ControlPlane,
    service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
};
use tonic::Status;

use super::{
    ResourceType,
    coordinators::SyncState,
    history::History,
    limits::{NAME_BYTES_MAX, NAMES_MAX, NODE_TEXT_BYTES_MAX},
    order::Order,
    resource_set::{ResourceSet, Version},
    snapshot::Snapshot,
    subscription::{Answer, Offer, Request, Subscription},
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
    order: Order,
}

impl Session {
    pub(crate) fn new(node_id: &str, target: Arc<Snapshot>) -> Self {
        Self { node_id: node_id.to_owned(), subscriptions: Default::default(), order: Order::new(target) }
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
    pub(crate) fn receive(&mut self, request: DiscoveryRequest, history: &History) -> Result<Event, Status> {
        let Some(ty) = ResourceType::from_type_url(&request.type_url) else {
            return Ok(Event::Unknown(request.type_url));
        };
        let mut request = checked(request)?;
        let subscription = &mut self.subscriptions[ty as usize];
        let was_new = !subscription.is_subscribed();
        let stated = Version::stated(&request.version);
        if was_new && !request.version.is_empty() {
            self.order.has_kept_something();
            if ty == ResourceType::Cluster && history.doubts.contains(&self.node_id) {
                request.version.clear();
            }
        }
        let answer = subscription.receive(request, ty.is_wildcard());
        self.order.subscribed(ty, subscription.is_subscribed());
        match ty {
            ResourceType::Cluster if was_new => self.order.inherit_clusters(history.clusters.recall(&stated)),
            ResourceType::Runtime if was_new => self.order.inherit_limits(history.limits.recall(&stated)),
            _ => {}
        }
        if ty == ResourceType::Cluster && answer != Answer::None {
            history.doubts.set(&self.node_id, answer != Answer::Acked);
        }
        Ok(match answer {
            Answer::None => Event::None,
            Answer::Acked => {
                self.order.acked(ty);
                Event::Acked(ty)
            }
            Answer::Rejected(reason) => {
                self.order.rejected(ty);
                Event::Rejected(ty, reason)
            }
        })
    }

    /// The responses that are due now, in the order in which they must be sent; they count as sent.
    pub(crate) fn responses(&mut self, history: &History) -> Vec<DiscoveryResponse> {
        let mut responses = Vec::new();
        loop {
            self.order.advance();
            let mut confirmed = false;
            for ty in ResourceType::ALL {
                let Some(set) = self.order.wanted(ty) else { continue };
                let subscription = &mut self.subscriptions[ty as usize];
                let selected = select(&set, subscription);
                // State of the world cannot say that a named resource does not exist: such names stay unanswered.
                if selected.is_empty() && !subscription.wants_all() {
                    continue;
                }
                match subscription.offer(selected.version()) {
                    Offer::Hold => {}
                    // Only news at the start of a stream, where the node has kept it from the stream before.
                    Offer::InForce => confirmed |= self.order.confirm(ty),
                    Offer::Send(nonce) => {
                        self.order.sent(ty);
                        self.order.remember(ty, selected.version(), history);
                        responses.push(response(ty, &selected, nonce));
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
        let types = ResourceType::ALL.into_iter().filter(|ty| self.subscription(*ty).is_subscribed());
        types.map(|ty| {
            let subscription = self.subscription(ty);
            let wanted = select(self.order.target().set(ty), subscription).version().clone();
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

    /// The generation of the filter's configuration that the node has acknowledged on this stream.
    pub(crate) fn generation_in_force(&self) -> Option<u64> {
        self.order.generation_in_force()
    }
}

/// What of `set` the node wants.
fn select(set: &Arc<ResourceSet>, subscription: &Subscription) -> Arc<ResourceSet> {
    if subscription.wants_all() || set.iter().all(|resource| subscription.wants(resource.name())) {
        set.clone()
    } else {
        Arc::new(set.select(|name| subscription.wants(name)))
    }
}

fn response(ty: ResourceType, set: &ResourceSet, nonce: String) -> DiscoveryResponse {
    DiscoveryResponse {
        version_info: set.version().as_str().to_owned(),
        resources: set.iter().map(|resource| resource.body().clone()).collect(),
        type_url: ty.type_url().to_owned(),
        nonce,
        control_plane: Some(ControlPlane { identifier: "slotway".to_owned() }),
        ..DiscoveryResponse::default()
    }
}

/// The part of a request that concerns a subscription, within its bounds.
fn checked(request: DiscoveryRequest) -> Result<Request, Status> {
    let text_right = [&request.version_info, &request.response_nonce]
        .into_iter()
        .all(|text| text.len() <= NODE_TEXT_BYTES_MAX);
    let names_right = request.resource_names.len() <= NAMES_MAX
        && request.resource_names.iter().all(|name| name.len() <= NAME_BYTES_MAX);
    if !text_right || !names_right {
        return Err(Status::resource_exhausted(format!(
            "a subscription can list {NAMES_MAX} names of {NAME_BYTES_MAX} bytes, its version and nonce can have \
             {NODE_TEXT_BYTES_MAX} bytes"
        )));
    }
    let error = request.error_detail.map(|status| {
        if status.message.is_empty() { format!("code {}", status.code) } else { status.message }
    });
    Ok(Request {
        version: request.version_info,
        names: request.resource_names.into_iter().collect::<BTreeSet<_>>(),
        nonce: request.response_nonce,
        error,
    })
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
