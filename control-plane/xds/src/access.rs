//! Admission of nodes to groups: by a certificate, a token, or both.

use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tonic::Status;

use crate::{XdsRefusal, refusal::StreamEnd};

/// The credentials that a group requires of its nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupRequirement {
    token: Option<Token>,
    certificate_names: Vec<String>,
}

/// The digest of a secret; the secret itself is not kept, and `Debug` prints neither.
#[derive(Clone, PartialEq, Eq)]
struct Token([u8; 32]);

impl Token {
    fn new(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Returns whether this is the secret, in a time that depends on neither its content nor its length.
    fn is(&self, secret: &[u8]) -> bool {
        self.0.ct_eq(&Self::new(secret).0).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl GroupRequirement {
    /// Returns the requirement of this token, if one is given, and of a certificate with one of these names, if any is given.
    #[must_use]
    pub fn new(token: Option<&str>, certificate_names: Vec<String>) -> Self {
        Self { token: token.map(|token| Token::new(token.as_bytes())), certificate_names }
    }

    fn check(&self, shown: &NodeCredentials) -> Result<(), Denial> {
        if !self.certificate_names.is_empty()
            && !shown.certificate_names.iter().any(|name| self.certificate_names.contains(name))
        {
            return Err(Denial::Certificate);
        }
        match (&self.token, &shown.token) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Denial::TokenMissing),
            (Some(token), Some(secret)) if token.is(secret) => Ok(()),
            (Some(_), Some(_)) => Err(Denial::TokenWrong),
        }
    }
}

enum Denial {
    Certificate,
    TokenMissing,
    TokenWrong,
}

/// The credentials of a node, from its connection and its request.
#[derive(Clone, Default)]
pub struct NodeCredentials {
    /// The names in its verified certificate.
    pub certificate_names: Vec<String>,
    /// The token that it sends.
    pub token: Option<Vec<u8>>,
}

/// The requirement of each group. A group without one admits every node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeAccess {
    default_group: String,
    requirements: BTreeMap<String, GroupRequirement>,
}

impl NodeAccess {
    /// Returns the access rules of these groups. `default_group` is the group that always exists, also without a requirement.
    pub fn new(default_group: &str, groups: impl IntoIterator<Item = (String, GroupRequirement)>) -> Self {
        Self { default_group: default_group.to_owned(), requirements: groups.into_iter().collect() }
    }

    /// Checks the credentials of a node of this group.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with what the node lacks.
    pub(crate) fn admit(&self, group: &str, shown: &NodeCredentials) -> Result<(), StreamEnd> {
        let Some(requirement) = self.requirements.get(group) else { return Ok(()) };
        requirement.check(shown).map_err(|denial| {
            let reason = match denial {
                Denial::Certificate => XdsRefusal::Certificate,
                Denial::TokenMissing | Denial::TokenWrong => XdsRefusal::Token,
            };
            let status = Status::unauthenticated(match denial {
                Denial::Certificate => format!(
                    "group {group:?} is not for this certificate: it must have one of the names that the group's \
                     `certificate_names` list in the control plane's configuration"
                ),
                Denial::TokenMissing => format!(
                    "group {group:?} needs a token: `slotway bootstrap --group {group}` prints a bootstrap that sends it"
                ),
                Denial::TokenWrong => format!(
                    "the token is not that of group {group:?}: `slotway bootstrap --group {group}` prints a bootstrap with \
                     the right one"
                ),
            });
            StreamEnd::refused(reason, status)
        })
    }

    /// Returns whether these credentials admit to some group.
    pub(crate) fn admits_anywhere(&self, shown: &NodeCredentials) -> bool {
        // A group without a requirement admits every node, but it may not exist; the default group always does.
        !self.requirements.contains_key(&self.default_group)
            || self.requirements.values().any(|requirement| requirement.check(shown).is_ok())
    }

    /// Returns whether these credentials admit to every group.
    fn admits_everywhere(&self, shown: &NodeCredentials) -> bool {
        self.requirements.values().all(|requirement| requirement.check(shown).is_ok())
    }
}

/// The sender of a request on the xDS port that is not xDS: a node that is admitted to some group.
#[derive(Clone)]
pub struct AdmittedNode {
    access: Arc<NodeAccess>,
    shown: NodeCredentials,
}

impl AdmittedNode {
    /// Returns the sender with these credentials.
    #[must_use]
    pub fn new(access: Arc<NodeAccess>, shown: NodeCredentials) -> Self {
        Self { access, shown }
    }

    /// Returns whether the sender may speak for a node of this group. A node whose group is unknown may be of any group, so only
    /// a sender that is admitted to every group may speak for it.
    #[must_use]
    pub fn may_speak_for(&self, group: Option<&str>) -> bool {
        match group {
            Some(group) => self.access.admit(group, &self.shown).is_ok(),
            None => self.access.admits_everywhere(&self.shown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(token: Option<&str>, names: &[&str]) -> NodeCredentials {
        NodeCredentials {
            token: token.map(|token| token.as_bytes().to_vec()),
            certificate_names: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_node_needs_all_that_its_group_requires_and_the_status_says_what_it_lacks() {
        let names = vec!["edge.test".to_owned(), "spiffe://test/edge".to_owned()];
        let groups = [
            ("token".to_owned(), GroupRequirement::new(Some("right"), Vec::new())),
            ("certificate".to_owned(), GroupRequirement::new(None, names.clone())),
            ("both".to_owned(), GroupRequirement::new(Some("right"), names)),
        ];
        let access = NodeAccess::new("default", groups);
        for (group, token, names, lacks) in [
            ("token", Some("right"), &[][..], ""),
            ("token", Some("right "), &[], "the token is not that of group \"token\""),
            ("token", Some(""), &[], "the token is not that of group"),
            ("token", None, &["edge.test"], "needs a token"),
            ("certificate", None, &["x", "spiffe://test/edge"], ""),
            ("certificate", Some("right"), &["x"], "is not for this certificate"),
            ("certificate", None, &[], "is not for this certificate"),
            ("both", Some("right"), &["edge.test"], ""),
            ("both", Some("wrong"), &["edge.test"], "the token is not that"),
            ("both", Some("right"), &["edge"], "is not for this certificate"),
            ("another", None, &[], ""),
        ] {
            let answer = access.admit(group, &shown(token, names));
            match lacks {
                "" => assert!(answer.is_ok(), "{group}: {answer:?}"),
                lacks => {
                    let StreamEnd { refusal, status } = answer.unwrap_err();
                    let of_certificate = lacks.contains("certificate");
                    let expected = if of_certificate { XdsRefusal::Certificate } else { XdsRefusal::Token };
                    assert_eq!(refusal, Some(expected), "{group}");
                    assert_eq!(status.code(), tonic::Code::Unauthenticated);
                    assert!(status.message().contains(lacks), "{group}: {status}");
                    assert!(!status.message().contains("right\""), "{status}");
                }
            }
        }
    }

    #[test]
    fn a_sender_that_is_admitted_to_a_group_may_speak_for_its_nodes_alone() {
        let of =
            |group: &str, token: &str| (group.to_owned(), GroupRequirement::new(Some(token), Vec::new()));
        let access = Arc::new(NodeAccess::new("default", [of("one", "1"), of("two", "2"), of("also", "1")]));
        let may = |token, group| AdmittedNode::new(access.clone(), shown(token, &[])).may_speak_for(group);
        for (token, group, may_speak) in [
            (Some("1"), Some("one"), true),
            (Some("1"), Some("also"), true),
            (Some("1"), Some("two"), false),
            (Some("2"), Some("one"), false),
            (Some("1"), None, false),
            (Some("3"), Some("one"), false),
            (None, Some("one"), false),
            (None, None, false),
            (None, Some("without a requirement"), true),
        ] {
            assert_eq!(may(token, group), may_speak, "{token:?} for {group:?}");
        }
        let alone = Arc::new(NodeAccess::new("one", [of("one", "1")]));
        let may = |token| AdmittedNode::new(alone.clone(), shown(token, &[])).may_speak_for(None);
        assert_eq!((may(Some("1")), may(Some("2")), may(None)), (true, false, false));
    }

    #[test]
    fn requests_beside_xds_need_some_group_if_the_default_one_has_a_requirement() {
        let of =
            |group: &str, token: &str| (group.to_owned(), GroupRequirement::new(Some(token), Vec::new()));
        let access = NodeAccess::new("default", [of("one", "1")]);
        assert!(access.admits_anywhere(&shown(None, &[])), "the default group admits every node");
        let access = NodeAccess::new("one", [of("one", "1"), of("two", "2")]);
        assert!(access.admits_anywhere(&shown(Some("2"), &[])));
        assert!(!access.admits_anywhere(&shown(Some("3"), &[])));
    }

    #[test]
    fn debug_output_has_no_token() {
        let requirement = GroupRequirement::new(Some("a secret"), Vec::new());
        assert!(!format!("{requirement:?}").contains("secret"));
    }
}
