//! The names of all pools that there ever were, in shared data: a lane that was born after a pool was removed looks
//! after that pool's slots too.

use slotway_config::{Pool as PoolSettings, PoolMatch, PoolName};

use crate::{error::FilterError, lane::Lane, lane_pool::LanePool, shared};

const KEY: &str = "slotway/1/pools";
/// Names that are remembered. Slots of a dead lane in a removed pool beyond them stay lost until Envoy is started again.
const NAMES_MAX: usize = 1_024;

impl Lane {
    /// Tells the other lanes of this one's pools, and takes in theirs.
    pub(crate) fn share_pool_names(&mut self) {
        let own: Vec<_> = self.pools.iter().map(|pool| pool.settings.name.clone()).collect();
        match merge(&own) {
            Ok(names) => {
                for name in names.into_iter().filter(|name| !own.contains(name)) {
                    self.pools.push(LanePool::new(PoolSettings::new(name, PoolMatch::default())));
                }
            }
            Err(error) => self.complain("the names of the pools cannot be shared", &error),
        }
    }
}

/// Adds names to those that are known. Returns all.
fn merge(own: &[PoolName]) -> Result<Vec<PoolName>, FilterError> {
    shared::exchange(KEY, |bytes| {
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

/// What is no name is left out.
fn decode(bytes: &[u8]) -> Vec<PoolName> {
    String::from_utf8_lossy(bytes).split('\n').filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were_and_nonsense_is_left_out() {
        let names: Vec<PoolName> = ["ocr", "training"].map(|name| name.parse().unwrap()).into();
        assert_eq!(decode(&encode(&names)), names);
        assert_eq!(decode(&encode(&[])), []);
        assert_eq!(decode(b"ocr\nNot A Name\n\xff"), [names[0].clone()]);
    }
}
