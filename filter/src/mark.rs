//! The mark of a request's stream in Envoy: which slot the request holds.
//!
//! The witness ([`crate::witness`]) reads it when the stream ends and its lane has died.

use slotway_config::PoolName;
use slotway_engine::{LaneId, Serial};

use crate::host::Host;

/// The property of a stream that holds its mark. Envoy keeps it in the filter state as `wasm.slotway.slot`.
pub(crate) const PROPERTY: &str = "slotway.slot";

/// Envoy calls the witness for every stream that took at least this long, in milliseconds, as the access-log filter of the
/// control plane says.
pub(crate) const WITNESSED_FROM_MS: u64 = slotway_config::limits::WITNESS_ASKED_FROM_MS;

/// Which slot a stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) lane: LaneId,
    pub(crate) serial: Serial,
    pub(crate) pool: String,
}

/// Marks the current stream with its slot. A missing mark matters only if this lane dies: then the slot is recovered later.
pub(crate) fn put<H: Host>(host: &H, lane: LaneId, pool: &PoolName, serial: Serial) {
    let _ = host.set_property(PROPERTY, &Mark::encode(lane, serial, pool.as_str()));
}

/// Removes the current stream's mark.
pub(crate) fn clear<H: Host>(host: &H) {
    let _ = host.set_property(PROPERTY, b"");
}

impl Mark {
    /// Encodes a mark.
    pub(crate) fn encode(lane: LaneId, serial: Serial, pool: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(pool.len().saturating_add(10));
        bytes.extend_from_slice(&lane.to_le_bytes());
        bytes.extend_from_slice(&serial.to_le_bytes());
        bytes.extend_from_slice(pool.as_bytes());
        bytes
    }

    /// Decodes a mark; `None` for anything else.
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
    fn a_mark_is_decoded_as_it_was_encoded() {
        let mark = Mark { lane: 7, serial: 1 << 40, pool: "ocr".to_owned() };
        assert_eq!(Mark::decode(&Mark::encode(7, 1 << 40, "ocr")), Some(mark));
    }

    #[test]
    fn a_mark_that_is_too_short_is_not_decoded() {
        let bytes = Mark::encode(7, 9, "p");
        assert!((0..bytes.len()).all(|end| Mark::decode(&bytes[..end]).is_none()));
    }
}
