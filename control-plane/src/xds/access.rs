//! Who may be in which group: by a certificate, a token, or both.

use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tonic::Status;

use super::{Refusal, refusal::Ended};

/// What a group asks of its Envoys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirement {
    token: Option<Token>,
    certificate_names: Vec<String>,
}

/// A secret, of which only a digest is kept. It shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
struct Token([u8; 32]);

impl Token {
    fn new(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Takes as long for a wrong secret as for the right one, whatever its length.
    fn is(&self, secret: &[u8]) -> bool {
        self.0.ct_eq(&Self::new(secret).0).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Requirement {
    /// A group whose Envoys must send this token, if one is given, and whose certificate must have one of these names, if any is given.
    #[must_use]
    pub fn new(token: Option<&str>, certificate_names: Vec<String>) -> Self {
        Self { token: token.map(|token| Token::new(token.as_bytes())), certificate_names }
    }

    fn meets(&self, shown: &Shown) -> Result<(), Lack> {
        if !self.certificate_names.is_empty()
            && !shown.certificate_names.iter().any(|name| self.certificate_names.contains(name))
        {
            return Err(Lack::Certificate);
        }
        match (&self.token, &shown.token) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Lack::Token),
            (Some(token), Some(secret)) if token.is(secret) => Ok(()),
            (Some(_), Some(_)) => Err(Lack::RightToken),
        }
    }
}

enum Lack {
    Certificate,
    Token,
    RightToken,
}

/// What a node shows of itself with its connection and its request.
#[derive(Clone, Default)]
pub struct Shown {
    /// The names in its verified certificate.
    pub certificate_names: Vec<String>,
    /// The token that it sends.
    pub token: Option<Vec<u8>>,
}

/// What each group asks. A group that is not named asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access(BTreeMap<String, Requirement>);

impl FromIterator<(String, Requirement)> for Access {
    fn from_iter<I: IntoIterator<Item = (String, Requirement)>>(groups: I) -> Self {
        Self(groups.into_iter().collect())
    }
}

impl Access {
    /// Lets a node of this group in.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with what it lacks.
    pub(crate) fn admit(&self, group: &str, shown: &Shown) -> Result<(), Ended> {
        let Some(requirement) = self.0.get(group) else { return Ok(()) };
        requirement.meets(shown).map_err(|lack| {
            let refusal = match lack {
                Lack::Certificate => Refusal::Certificate,
                Lack::Token | Lack::RightToken => Refusal::Token,
            };
            let status = Status::unauthenticated(match lack {
                Lack::Certificate => format!(
                    "group {group:?} is not for this certificate: it must have one of the names that the group's \
                     `certificate_names` list in the control plane's configuration"
                ),
                Lack::Token => format!(
                    "group {group:?} needs a token: `slotway bootstrap --group {group}` prints a bootstrap that sends it"
                ),
                Lack::RightToken => format!(
                    "the token is not that of group {group:?}: `slotway bootstrap --group {group}` prints a bootstrap with \
                     the right one"
                ),
            });
            Ended::refused(refusal, status)
        })
    }

    /// Whether it would be let into some group.
    pub(crate) fn admits_anywhere(&self, shown: &Shown) -> bool {
        // A group that is not named here asks nothing, but it also may not exist; the default one always does.
        !self.0.contains_key(crate::groups::DEFAULT_GROUP)
            || self.0.values().any(|requirement| requirement.meets(shown).is_ok())
    }

    /// Whether it would be let into every group.
    fn admits_everywhere(&self, shown: &Shown) -> bool {
        self.0.values().all(|requirement| requirement.meets(shown).is_ok())
    }
}

/// Who has sent a request beside xDS, as far as they have shown.
#[derive(Clone)]
pub struct Caller {
    access: Arc<Access>,
    shown: Shown,
}

impl Caller {
    /// Somebody who has shown this.
    #[must_use]
    pub fn new(access: Arc<Access>, shown: Shown) -> Self {
        Self { access, shown }
    }

    /// Whether they may speak for a node of this group. For a node whose group is not known, only those may who would be let
    /// into every group: it could be of any.
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

    fn shown(token: Option<&str>, names: &[&str]) -> Shown {
        Shown {
            token: token.map(|token| token.as_bytes().to_vec()),
            certificate_names: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_node_shows_all_that_its_group_asks_and_is_told_what_it_lacks() {
        let names = vec!["edge.test".to_owned(), "spiffe://test/edge".to_owned()];
        let access: Access = [
            ("token".to_owned(), Requirement::new(Some("right"), Vec::new())),
            ("certificate".to_owned(), Requirement::new(None, names.clone())),
            ("both".to_owned(), Requirement::new(Some("right"), names)),
        ]
        .into_iter()
        .collect();
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
                    let Ended { refusal, status } = answer.unwrap_err();
                    let of_certificate = lacks.contains("certificate");
                    let expected = if of_certificate { Refusal::Certificate } else { Refusal::Token };
                    assert_eq!(refusal, Some(expected), "{group}");
                    assert_eq!(status.code(), tonic::Code::Unauthenticated);
                    assert!(status.message().contains(lacks), "{group}: {status}");
                    assert!(!status.message().contains("right\""), "{status}");
                }
            }
        }
    }

    #[test]
    fn who_is_let_into_a_group_may_speak_for_its_nodes_alone() {
        let of = |group: &str, token: &str| (group.to_owned(), Requirement::new(Some(token), Vec::new()));
        let access: Arc<Access> =
            Arc::new([of("one", "1"), of("two", "2"), of("also", "1")].into_iter().collect());
        let may = |token, group| Caller::new(access.clone(), shown(token, &[])).may_speak_for(group);
        for (token, group, may_speak) in [
            (Some("1"), Some("one"), true),
            (Some("1"), Some("also"), true),
            (Some("1"), Some("two"), false),
            (Some("2"), Some("one"), false),
            (Some("1"), None, false),
            (Some("3"), Some("one"), false),
            (None, Some("one"), false),
            (None, None, false),
            (None, Some("asks nothing"), true),
        ] {
            assert_eq!(may(token, group), may_speak, "{token:?} for {group:?}");
        }
        let alone: Arc<Access> = Arc::new([of("one", "1")].into_iter().collect());
        let may = |token| Caller::new(alone.clone(), shown(token, &[])).may_speak_for(None);
        assert_eq!((may(Some("1")), may(Some("2")), may(None)), (true, false, false));
    }

    #[test]
    fn a_token_shows_itself_nowhere() {
        let requirement = Requirement::new(Some("a secret"), Vec::new());
        assert!(!format!("{requirement:?}").contains("secret"));
    }
}
