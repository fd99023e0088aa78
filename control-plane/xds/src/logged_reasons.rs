use std::collections::BTreeMap;

use crate::limits::LOGGED_MAX;

/// The reason that was logged last for each peer. A refused node tries again every few seconds for the same reason, which is logged
/// once.
#[derive(Debug, Default)]
pub(crate) struct LoggedReasons(BTreeMap<String, String>);

impl LoggedReasons {
    /// Records `reason` as the last one of `peer`, and returns whether it is to be logged: it differs from the last one, and the
    /// number of peers is within its bound.
    pub(crate) fn is_new(&mut self, peer: &str, reason: &str) -> bool {
        let last = self.0.get(peer);
        let is_new = last.is_none_or(|last| last != reason) && (last.is_some() || self.0.len() < LOGGED_MAX);
        if is_new {
            self.0.insert(peer.to_owned(), reason.to_owned());
        }
        is_new
    }

    /// Forgets a peer that was admitted: its next refusal is logged.
    pub(crate) fn forget(&mut self, peer: &str) {
        self.0.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_logged_once_until_the_peer_was_admitted() {
        let mut logged = LoggedReasons::default();
        assert!(logged.is_new("a", "no"));
        assert!(!logged.is_new("a", "no"));
        assert!(logged.is_new("a", "still no"));
        assert!(logged.is_new("b", "no"));
        logged.forget("a");
        assert!(logged.is_new("a", "still no"));
    }

    #[test]
    fn the_number_of_peers_is_bounded() {
        let mut logged = LoggedReasons::default();
        let new = (0..10 * LOGGED_MAX).filter(|peer| logged.is_new(&peer.to_string(), "no")).count();
        assert_eq!(new, LOGGED_MAX);
    }
}
