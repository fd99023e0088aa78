//! The mark that a request's stream carries in Envoy: which slot it has.

use slotway_config::PoolName;
use slotway_engine::{LaneId, Serial};

use crate::host;

/// The property of a stream that holds its mark. Envoy keeps it in the filter state as `wasm.slotway.slot`.
pub(crate) const PROPERTY: &str = "slotway.slot";

/// The witness is asked about every stream that took so long, in milliseconds; the control plane's access-log filter says
/// so.
pub(crate) const ASKED_FROM_MS: u64 = slotway_config::limits::WITNESS_ASKED_FROM_MS;

/// Which slot a stream has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) lane: LaneId,
    pub(crate) serial: Serial,
    pub(crate) pool: String,
}

/// Marks the current stream with its slot. A mark that the host refuses is missed only if this lane dies; the slot comes
/// back later then.
pub(crate) fn put(lane: LaneId, pool: &PoolName, serial: Serial) {
    let _ = host::set_property(PROPERTY, &Mark::encode(lane, serial, pool.as_str()));
}

/// Wipes the current stream's mark.
pub(crate) fn wipe() {
    let _ = host::set_property(PROPERTY, b"");
}

impl Mark {
    pub(crate) fn encode(lane: LaneId, serial: Serial, pool: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(pool.len().saturating_add(10));
        bytes.extend_from_slice(&lane.to_le_bytes());
        bytes.extend_from_slice(&serial.to_le_bytes());
        bytes.extend_from_slice(pool.as_bytes());
        bytes
    }

    /// Reads what [`Mark::encode`] wrote; `None` for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (lane, rest) = bytes.split_first_chunk::<2>()?;
        let (serial, pool) = rest.split_first_chunk::<8>()?;
        Some(Self {
            lane: LaneId::from_le_bytes(*lane),
            serial: Serial::from_le_bytes(*serial),
            pool: std::str::from_utf8(pool).ok().filter(|pool| !pool.is_empty())?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_as_it_was() {
        let mark = Mark { lane: 7, serial: 1 << 40, pool: "ocr".to_owned() };
        assert_eq!(Mark::decode(&Mark::encode(7, 1 << 40, "ocr")), Some(mark));
    }

    #[test]
    fn what_is_too_short_is_no_mark() {
        let bytes = Mark::encode(7, 9, "p");
        assert!((0..bytes.len()).all(|end| Mark::decode(&bytes[..end]).is_none()));
    }
}
