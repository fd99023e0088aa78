//! What one type on one stream is subscribed to, and what the node said to it. State of the world:
//! <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#basic-protocol-overview>.

use std::collections::BTreeSet;

use super::resource_set::Version;

/// What a node asks or answers for one type: the part of a `DiscoveryRequest` that concerns a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) version: String,
    pub(crate) names: BTreeSet<String>,
    pub(crate) nonce: String,
    /// The reason of a rejection. Only this tells one, never a comparison of versions.
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#ack-and-nack>
    pub(crate) error: Option<String>,
}

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Not now: nobody wants it, a response is unacknowledged, or the node has refused this very content.
    Hold,
    /// The node has it already.
    InForce,
    /// It must be sent, with this nonce.
    Send(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    /// Everything, because the first request named nothing.
    LegacyWildcard,
    /// These, `*` among them for everything.
    Listed(BTreeSet<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// The node has this content.
    Acked(Version),
    /// The node was sent this content and has not answered yet.
    Sent(Version),
    /// The node has refused this content, perhaps after it took a part of it.
    Rejected(Version),
}

/// One type on one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    names: Option<Names>,
    nonces: u64,
    known: Option<Known>,
    acked: Option<Version>,
    owed: bool,
}

impl Subscription {
    /// Takes a request in. `wildcard`: the type lets an empty first list mean everything.
    pub(crate) fn receive(&mut self, request: Request, wildcard: bool) -> Answer {
        if self.names.is_none() {
            return self.first(request, wildcard);
        }
        // A nonce that is not the last one's answers a response that a later one has overtaken: ignored.
        // https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#resource-updates
        if !request.nonce.is_empty() && request.nonce != self.nonces.to_string() {
            return Answer::None;
        }
        let changed = self.resubscribe(request.names, wildcard);
        let sent = match &self.known {
            Some(Known::Sent(version)) if !request.nonce.is_empty() => version.clone(),
            Some(Known::Acked(_)) if request.error.is_none() && !changed => {
                // Neither an answer nor a change: the node has a second use for the same names and waits for them.
                self.owed = true;
                return Answer::None;
            }
            _ => return Answer::None,
        };
        match request.error {
            Some(reason) => {
                self.known = Some(Known::Rejected(sent));
                Answer::Rejected(reason)
            }
            None => {
                self.acked = Some(sent.clone());
                self.known = Some(Known::Acked(sent));
                Answer::Acked
            }
        }
    }

    /// The first request of a type on a stream may state what the node has kept from an earlier stream.
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#ack-nack-and-resource-type-instance-version>
    fn first(&mut self, request: Request, wildcard: bool) -> Answer {
        self.resubscribe(request.names, wildcard);
        self.owed = false;
        if !request.version.is_empty() && request.error.is_none() {
            let version = Version::stated(&request.version);
            self.acked = Some(version.clone());
            self.known = Some(Known::Acked(version));
        }
        Answer::None
    }

    /// Sets the names; whether they changed. New ones are owed a response even if its version is an old one.
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return>
    fn resubscribe(&mut self, names: BTreeSet<String>, wildcard: bool) -> bool {
        let legacy = wildcard && matches!(self.names, None | Some(Names::LegacyWildcard));
        let next = if legacy && names.is_empty() { Names::LegacyWildcard } else { Names::Listed(names) };
        if self.names.as_ref() == Some(&next) {
            return false;
        }
        self.owed |= match (&self.names, &next) {
            (Some(Names::Listed(old)), Names::Listed(new)) => !new.is_subset(old),
            _ => true,
        };
        self.names = Some(next);
        true
    }

    /// Whether the node wants anything of this type.
    pub(crate) fn is_subscribed(&self) -> bool {
        match &self.names {
            None => false,
            Some(Names::LegacyWildcard) => true,
            Some(Names::Listed(names)) => !names.is_empty(),
        }
    }

    /// Whether the node wants everything of this type.
    pub(crate) fn wants_all(&self) -> bool {
        match &self.names {
            Some(Names::LegacyWildcard) => true,
            Some(Names::Listed(names)) => names.contains("*"),
            None => false,
        }
    }

    /// Whether the node wants the resource of this name.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.wants_all() || matches!(&self.names, Some(Names::Listed(names)) if names.contains(name))
    }

    /// Whether `version` must be sent; where it must, it counts as sent.
    ///
    /// One response may be unacknowledged at a time: what changes meanwhile is offered again later and coalesces. What
    /// was sent last is not sent again, so that a rejected content is parked until it changes.
    pub(crate) fn offer(&mut self, version: &Version) -> Offer {
        if !self.is_subscribed() {
            return Offer::Hold;
        }
        match &self.known {
            Some(Known::Sent(_)) => return Offer::Hold,
            Some(Known::Rejected(rejected)) if rejected == version => return Offer::Hold,
            Some(Known::Acked(acked)) if acked == version && !self.owed => return Offer::InForce,
            _ => {}
        }
        self.owed = false;
        self.nonces += 1;
        self.known = Some(Known::Sent(version.clone()));
        Offer::Send(self.nonces.to_string())
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
