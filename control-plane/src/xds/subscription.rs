//! What one type on one stream is subscribed to, and what the node said to it. One logic for both protocols:
//! <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#basic-protocol-overview>. They differ in how a node says
//! what it wants ([`Interest`]) and in that the incremental one sends differences ([`Holdings`]).

use std::sync::Arc;

use super::{
    holdings::{Difference, Holdings},
    interest::{Interest, Owed},
    message::{Ask, Request},
    resource_set::{ResourceSet, Version},
};

/// What a request said about the last response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing: it only subscribed, or it was late.
    None,
    /// The node has what was sent.
    Acked,
    /// The node refuses what was sent, and why.
    Rejected(String),
}

/// Whether a content must be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Offer {
    /// Not now: nobody wants it, a response is unacknowledged, or the node has refused this very content.
    Hold,
    /// The node has it already.
    InForce,
    /// It must be sent, with this nonce.
    Send(String, Difference),
}

#[derive(Debug, Clone)]
enum Known {
    /// The node has this content.
    Acked(Version),
    /// The node was sent this content, the names among it, and has not answered yet.
    Sent(Arc<ResourceSet>, Vec<Arc<str>>),
    /// The node has refused this content, perhaps after it took a part of it.
    Rejected(Version),
}

/// One type on one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subscription {
    interest: Interest,
    nonces: u64,
    known: Option<Known>,
    acked: Option<Version>,
    owed: Owed,
    /// What the node has, resource by resource; only the incremental protocol needs it.
    holdings: Option<Holdings>,
}

impl Subscription {
    /// Takes a request in. `wildcard`: the type lets a first request without names mean everything.
    pub(crate) fn receive(&mut self, request: Request, wildcard: bool) -> Answer {
        if !self.interest.is_stated() {
            self.first(request, wildcard);
            return Answer::None;
        }
        let answers = request.nonce == self.nonces.to_string();
        match request.ask {
            // A nonce that is not the last one's answers a response that a later one has overtaken, and its names are older
            // than that: ignored. https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-updates
            Ask::All { .. } if !answers && !request.nonce.is_empty() => return Answer::None,
            Ask::All { names, .. } => {
                let (changed, owed) = self.interest.replace(names, wildcard);
                self.owed.add(owed);
                if matches!(self.known, Some(Known::Acked(_))) && request.error.is_none() && !changed {
                    // Neither an answer nor a change: the node has a second use for the same names and waits for them.
                    self.owed = Owed::All;
                }
            }
            // Names that come and go are said only once, so they count whatever the nonce.
            Ask::Changes { subscribe, unsubscribe, .. } => {
                self.interest.adjust(subscribe, &unsubscribe, wildcard, &mut self.owed);
            }
        }
        if answers { self.answer(request.error) } else { Answer::None }
    }

    /// The first request of a type on a stream may state what the node has kept from an earlier stream; that is not sent again.
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#ack-nack-and-resource-type-instance-version>
    fn first(&mut self, request: Request, wildcard: bool) {
        match request.ask {
            Ask::All { names, version } => {
                // What it has not got it is sent anyway.
                let _ = self.interest.replace(names, wildcard);
                if !version.is_empty() && request.error.is_none() {
                    let version = Version::stated(&version);
                    self.acked = Some(version.clone());
                    self.known = Some(Known::Acked(version));
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

    /// The node has answered the last response.
    fn answer(&mut self, error: Option<String>) -> Answer {
        let (set, names) = match self.known.take() {
            Some(Known::Sent(set, names)) => (set, names),
            known => {
                self.known = known;
                return Answer::None;
            }
        };
        let version = set.version().clone();
        match error {
            Some(reason) => {
                if let Some(holdings) = &mut self.holdings {
                    holdings.refused(names);
                }
                self.known = Some(Known::Rejected(version));
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
        self.known = Some(Known::Acked(set.version().clone()));
        if let Some(holdings) = &mut self.holdings {
            holdings.acked(set);
        }
    }

    /// What the node wants of this type.
    pub(crate) fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Whether `set`, of what the node wants, must be sent; where it must, it counts as sent.
    ///
    /// One response may be unacknowledged at a time: what changes meanwhile is offered again later and coalesces. What
    /// was sent last is not sent again, so that a rejected content is parked until it changes.
    pub(crate) fn offer(&mut self, set: &Arc<ResourceSet>) -> Offer {
        if !self.interest.is_something() {
            return Offer::Hold;
        }
        match &self.known {
            Some(Known::Sent(..)) => return Offer::Hold,
            Some(Known::Rejected(rejected)) if rejected == set.version() => return Offer::Hold,
            Some(Known::Acked(acked)) if acked == set.version() && self.owed.is_nothing() => {
                return Offer::InForce;
            }
            _ => {}
        }
        let difference = match &self.holdings {
            Some(holdings) => holdings.difference(set, &self.interest, &self.owed),
            // State of the world cannot say that a name does not exist: it stays unanswered.
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
        self.known = Some(Known::Sent(set.clone(), names));
        Offer::Send(self.nonces.to_string(), difference)
    }

    /// The content that the node last accepted.
    pub(crate) fn acked(&self) -> Option<&Version> {
        self.acked.as_ref()
    }

    /// Whether the node has refused what it was sent last.
    pub(crate) fn is_rejected(&self) -> bool {
        matches!(self.known, Some(Known::Rejected(_)))
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
