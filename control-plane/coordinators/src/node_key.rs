//! Node keys: the proof that a report comes from the coordinator that it names.

use std::{fmt, path::Path};

use ring::hmac;
use slotway_runtime::{RuntimeError, SecretFile};
use subtle::ConstantTimeEq;

/// The request header with the node id of a reporting coordinator.
pub const NODE_HEADER: &str = "x-slotway-node";
/// The request header with the key of that node.
pub const NODE_KEY_HEADER: &str = "x-slotway-node-key";

const FILE: SecretFile = SecretFile {
    length: &(32..=1_024),
    invalid: "it holds no key of 32 to 1,024 visible ASCII characters. `openssl rand -hex 32` makes one; with another key, \
              every bootstrap has to be printed again",
};

/// The keys of all nodes, derived from one key of the cluster: the key of a node is HMAC-SHA256(cluster key, node id), in
/// hexadecimal. No key can be computed from the keys of other nodes. `Debug` hides the key.
pub struct NodeKeys(hmac::Key);

impl NodeKeys {
    /// Reads the key of the cluster from its file, or generates one of 256 bits and writes it with mode 0600.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if the file cannot be read or written, or holds no key.
    pub fn load_or_create(path: &Path) -> Result<Self, RuntimeError> {
        FILE.load_or_create(path).map(|key| Self::of_text(&key))
    }

    /// Reads the key of the cluster from its file.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if the file cannot be read or holds no key.
    pub fn load(path: &Path) -> Result<Self, RuntimeError> {
        FILE.load(path).map(|key| Self::of_text(&key))
    }

    fn of_text(key: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))
    }

    /// Returns the key of a node.
    #[must_use]
    pub fn of(&self, node: &str) -> NodeKey {
        let tag = hmac::sign(&self.0, node.as_bytes());
        NodeKey(tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns whether `given` is the key of this node, in a time that does not depend on the content of the key.
    #[must_use]
    pub fn is_of(&self, node: &str, given: &[u8]) -> bool {
        self.of(node).0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKeys(..)")
    }
}

/// The key of one node. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeKey(String);

impl NodeKey {
    /// Returns the value of the header [`NODE_KEY_HEADER`].
    #[must_use]
    pub fn header_value(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_that_of_its_node_alone() {
        let (keys, others) = (NodeKeys::of_text("one cluster"), NodeKeys::of_text("another cluster"));
        let edge = keys.of("edge-1");
        assert!(keys.is_of("edge-1", edge.header_value().as_bytes()));
        for (node, given) in [
            ("edge-2", edge.header_value()),
            ("edge-1", others.of("edge-1").header_value()),
            ("edge-1", &edge.header_value()[1..]),
            ("edge-1", &edge.header_value().to_uppercase()),
            ("edge-1", &format!("{}0", edge.header_value())),
            ("edge-1", ""),
            ("", edge.header_value()),
        ] {
            assert!(!keys.is_of(node, given.as_bytes()), "{given:?} for {node:?}");
        }
    }

    /// `printf %s edge-1 | openssl dgst -sha256 -hmac 'a key of the cluster'` prints the same.
    #[test]
    fn a_key_is_an_hmac_of_the_node_id() {
        let key = NodeKeys::of_text("a key of the cluster").of("edge-1");
        assert_eq!(key.header_value(), "9365d4d4a0c993724640147f0f75ee96f333fc1c2635014debd106bbd5235b03");
    }

    #[test]
    fn the_key_of_the_cluster_is_made_once_and_a_short_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node-key");
        assert!(NodeKeys::load(&path).is_err());
        let key = NodeKeys::load_or_create(&path).unwrap().of("edge-1");
        assert_eq!(NodeKeys::load_or_create(&path).unwrap().of("edge-1"), key);
        assert_eq!(NodeKeys::load(&path).unwrap().of("edge-1"), key);
        std::fs::write(&path, "0123456789abcdef").unwrap();
        let refused = NodeKeys::load(&path).unwrap_err().to_string();
        assert!(refused.contains("openssl rand -hex 32") && !refused.contains("0123"), "{refused}");
    }

    #[test]
    fn debug_output_has_no_key() {
        let keys = NodeKeys::of_text("a key of the cluster");
        assert_eq!(format!("{keys:?} {:?}", keys.of("edge-1")), "NodeKeys(..) NodeKey(..)");
    }
}
