//! The subscription to one type on one stream, and the node's last answer. One logic for both protocol variants:
//! <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#basic-protocol-overview>. They differ in how a node
//! states its names ([`Interest`]) and in that the incremental one sends differences ([`Holdings`]).

use std::sync::Arc;

use crate::{
    holdings::{Difference, Holdings},
    interest::{Interest, Owed},
    message::{Ask, Request},
    resource_set::ResourceSet,
    version::Version,
};

/// How the content that a node has compares to the content that it shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionState {
    /// The node has acknowledged what it shall have.
    Synced,
    /// The node has not acknowledged it yet.
    Stale,
    /// The node rejected what it was sent last. What it had before stays in force.
    Rejected,
}

/// A node's answer to the last response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// None: the request only subscribed, or its nonce is stale.
    None,
    /// The node has what was sent.
    Acked,
    /// The node rejects what was sent, with its reason.
    Rejected(String),
}

/// Whether a content must be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Offer {
    /// Not now: the node does not want it, a response is unacknowledged, or the node has rejected this content.
    Hold,
    /// The node has it already.
    InForce,
    /// It must be sent, with this nonce.
    Send(String, Difference),
}

#[derive(Debug, Clone)]
enum LastContent {
    /// The node has this content.
    Acked(Version),
    /// The node was sent this content, with these names, and has not answered yet.
    Sent(Arc<ResourceSet>, Vec<Arc<str>>),
    /// The node has rejected this content, perhaps after it took a part of it.
    Rejected(Version),
}

/// One type on one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subscription {
    interest: Interest,
    nonces: u64,
    last: Option<LastContent>,
    acked: Option<Version>,
    owed: Owed,
    /// The resources that the node has; only the incremental protocol needs them.
    holdings: Option<Holdings>,
}

impl Subscription {
    /// Takes a request in. `wildcard`: for this type a first request without names means all of them.
    pub(crate) fn receive(&mut self, request: Request, wildcard: bool) -> Answer {
        if !self.interest.is_stated() {
            self.first(request, wildcard);
            return Answer::None;
        }
        let answers = request.nonce == self.nonces.to_string();
        match request.ask {
            // A stale nonce answers a response that a later one has overtaken, and the names are older than that: ignored. https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-updates
            Ask::All { .. } if !answers && !request.nonce.is_empty() => return Answer::None,
            Ask::All { names, .. } => {
                let (changed, owed) = self.interest.replace(names, wildcard);
                self.owed.add(owed);
                if matches!(self.last, Some(LastContent::Acked(_))) && request.error.is_none() && !changed {
                    // Neither an answer nor a change: the node has a second use for the same names and waits for them.
                    self.owed = Owed::All;
                }
            }
            // Changes of names are sent only once, so they count whatever the nonce is.
            Ask::Changes { subscribe, unsubscribe, .. } => {
                self.interest.adjust(subscribe, &unsubscribe, wildcard, &mut self.owed);
            }
        }
        if answers { self.answer(request.error) } else { Answer::None }
    }

    /// Takes in the first request of a type. It may state what the node has kept from an earlier stream; that is not sent again.
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#ack-nack-and-resource-type-instance-version>
    fn first(&mut self, request: Request, wildcard: bool) {
        match request.ask {
            Ask::All { names, version } => {
                // What the node does not have it is sent anyway.
                let _ = self.interest.replace(names, wildcard);
                if !version.is_empty() && request.error.is_none() {
                    let version = Version::stated(&version);
                    self.acked = Some(version.clone());
                    self.last = Some(LastContent::Acked(version));
                }
            }
            Ask::Changes { subscribe, unsubscribe, kept } => {
                self.interest.adjust(subscribe, &unsubscribe, wildcard, &mut self.owed);
                self.owed = match std::mem::take(&mut self.owed) {
                    Owed::All if !kept.is_empty() => Owed::Nothing,
                    Owed::Names(mut names) => {
                        names.retain(|name| !kept.contains_key(name));
                        if names.is_empty() { Owed::Nothing } else { Owed::Names(names) }
                    }
                    owed => owed,
                };
                self.holdings = Some(Holdings::stated(kept));
            }
        }
    }

    /// Takes in the answer to the last response.
    fn answer(&mut self, error: Option<String>) -> Answer {
        let (set, names) = match self.last.take() {
            Some(LastContent::Sent(set, names)) => (set, names),
            other => {
                self.last = other;
                return Answer::None;
            }
        };
        let version = set.version().clone();
        match error {
            Some(reason) => {
                if let Some(holdings) = &mut self.holdings {
                    holdings.rejected(names);
                }
                self.last = Some(LastContent::Rejected(version));
                Answer::Rejected(reason)
            }
            None => {
                self.has(set);
                Answer::Acked
            }
        }
    }

    fn has(&mut self, set: Arc<ResourceSet>) {
        self.acked = Some(set.version().clone());
        self.last = Some(LastContent::Acked(set.version().clone()));
        if let Some(holdings) = &mut self.holdings {
            holdings.acked(set);
        }
    }

    /// Returns the names that the node wants.
    pub(crate) fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Returns whether `set`, the wanted part of the resources, must be sent. If so, it counts as sent.
    ///
    /// One response may be unacknowledged at a time: what changes meanwhile is offered again later and coalesces. The content that
    /// was sent last is not sent again, so a rejected content is parked until it changes.
    pub(crate) fn offer(&mut self, set: &Arc<ResourceSet>) -> Offer {
        if !self.interest.is_something() {
            return Offer::Hold;
        }
        match &self.last {
            Some(LastContent::Sent(..)) => return Offer::Hold,
            Some(LastContent::Rejected(rejected)) if rejected == set.version() => return Offer::Hold,
            Some(LastContent::Acked(acked)) if acked == set.version() && self.owed.is_nothing() => {
                return Offer::InForce;
            }
            _ => {}
        }
        let difference = match &self.holdings {
            Some(holdings) => holdings.difference(set, &self.interest, &self.owed),
            // State of the world cannot express that a name does not exist: it stays unanswered.
            None if set.is_empty() && !self.interest.wants_all() => return Offer::Hold,
            None => Difference { resources: set.iter().cloned().collect(), removed: Vec::new() },
        };
        if self.holdings.is_some() && difference.is_empty() && self.owed.is_nothing() {
            self.has(set.clone());
            return Offer::InForce;
        }
        self.owed = Owed::Nothing;
        self.nonces += 1;
        let names = if self.holdings.is_some() { difference.names().collect() } else { Vec::new() };
        self.last = Some(LastContent::Sent(set.clone(), names));
        Offer::Send(self.nonces.to_string(), difference)
    }

    /// Returns the content that the node accepted last.
    pub(crate) fn acked(&self) -> Option<&Version> {
        self.acked.as_ref()
    }

    /// Returns whether the node has rejected what it was sent last.
    pub(crate) fn is_rejected(&self) -> bool {
        matches!(self.last, Some(LastContent::Rejected(_)))
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
