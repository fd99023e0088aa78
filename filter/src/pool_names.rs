//! The names of all pools that there ever were, in shared data: a lane that was born after a pool was removed looks
//! after that pool's slots too.

use slotway_config::{Pool as PoolSettings, PoolMatch, PoolName};

use crate::{error::FilterError, host, lane::Lane, lane_pool::LanePool, shared::ONLY_IF_ABSENT};

const KEY: &str = "slotway/1/pools";
/// Names that are remembered. Slots of a dead lane in a removed pool beyond them stay lost until Envoy is started again.
const NAMES_MAX: usize = 1_024;
const ATTEMPTS_MAX: usize = 1_000;

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
    for _ in 0..ATTEMPTS_MAX {
        let (mut names, cas) = match host::shared_data(KEY)? {
            Some((bytes, cas)) => (decode(&bytes), cas),
            None => (Vec::new(), ONLY_IF_ABSENT),
        };
        let known = names.len();
        let new: Vec<_> = own.iter().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(new);
        names.truncate(NAMES_MAX.max(known));
        if names.len() == known {
            return Ok(names);
        }
        match host::set_shared_data(KEY, &encode(&names), cas) {
            Ok(()) => return Ok(names),
            Err(error) if error.is_cas_mismatch() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(FilterError::Contended)
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
