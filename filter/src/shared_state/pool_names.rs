//! The names of all pools that any lane has had. A lane that starts after a pool was removed recovers the slots of that
//! pool too.

use slotway_config::PoolName;

use super::exchange::exchange;
use crate::{error::FilterError, host::Host};

const KEY: &str = "slotway/1/pools";
/// Most names in the list. Slots of a dead lane in a removed pool that is not on it are lost until Envoy restarts.
const NAMES_MAX: usize = 1_024;

/// Adds the names of this lane's pools, and returns all names.
pub(crate) fn share_pool_names<H: Host>(host: &H, own: &[PoolName]) -> Result<Vec<PoolName>, FilterError> {
    exchange(host, KEY, |bytes| {
        let mut names = bytes.map_or_else(Vec::new, decode);
        let known = names.len();
        let new: Vec<_> = own.iter().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(new);
        names.truncate(NAMES_MAX.max(known));
        let changed = (names.len() > known).then(|| encode(&names));
        Ok((changed, names))
    })
}

fn encode(names: &[PoolName]) -> Vec<u8> {
    names.iter().map(PoolName::as_str).collect::<Vec<_>>().join("\n").into_bytes()
}

/// Skips what is not a name.
fn decode(bytes: &[u8]) -> Vec<PoolName> {
    String::from_utf8_lossy(bytes).split('\n').filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_as_they_were_encoded_and_anything_else_is_skipped() {
        let names: Vec<PoolName> = ["ocr", "training"].map(|name| name.parse().unwrap()).into();
        assert_eq!(decode(&encode(&names)), names);
        assert_eq!(decode(&encode(&[])), []);
        assert_eq!(decode(b"ocr\nNot A Name\n\xff"), [names[0].clone()]);
    }
}
