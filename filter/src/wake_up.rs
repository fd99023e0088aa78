//! The message that brings a slot to a waiter's lane.

use slotway_engine::{Grant, LaneId};

/// A grant on its way to the lane of its waiter. It goes through that lane's own shared queue, whose messages wake it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WakeUp {
    pub(crate) pool: String,
    pub(crate) grant: Grant,
}

impl WakeUp {
    /// Encodes the wake-up.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let grant = &self.grant;
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(&grant.ticket.to_le_bytes());
        bytes.extend_from_slice(&grant.serial.to_le_bytes());
        bytes.extend_from_slice(&grant.names_epoch.to_le_bytes());
        bytes.extend_from_slice(&grant.lane.to_le_bytes());
        bytes.extend_from_slice(&grant.worker.to_le_bytes());
        bytes.extend_from_slice(self.pool.as_bytes());
        bytes
    }

    /// Decodes a wake-up; `None` for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (ticket, rest) = bytes.split_first_chunk::<8>()?;
        let (serial, rest) = rest.split_first_chunk::<8>()?;
        let (names_epoch, rest) = rest.split_first_chunk::<4>()?;
        let (lane, rest) = rest.split_first_chunk::<2>()?;
        let (worker, pool) = rest.split_first_chunk::<2>()?;
        let grant = Grant {
            lane: LaneId::from_le_bytes(*lane),
            ticket: u64::from_le_bytes(*ticket),
            worker: u16::from_le_bytes(*worker),
            serial: u64::from_le_bytes(*serial),
            names_epoch: u32::from_le_bytes(*names_epoch),
        };
        Some(Self { pool: String::from_utf8(pool.to_vec()).ok()?, grant })
    }
}

/// Returns the name of a lane's wake-up queue.
pub(crate) fn queue_name(lane: LaneId) -> String {
    format!("slotway/1/lane/{lane}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_is_decoded_as_it_was_encoded() {
        let grant = Grant { lane: 3, ticket: 1 << 40, worker: 513, serial: 1 << 50, names_epoch: 7 };
        let wake_up = WakeUp { pool: "preannotation".to_owned(), grant };
        assert_eq!(WakeUp::decode(&wake_up.encode()), Some(wake_up));
    }

    #[test]
    fn a_wake_up_that_is_too_short_is_not_decoded() {
        let grant = Grant { lane: 3, ticket: 9, worker: 5, serial: 8, names_epoch: 7 };
        let bytes = WakeUp { pool: String::new(), grant }.encode();
        assert!((0..bytes.len()).all(|end| WakeUp::decode(&bytes[..end]).is_none()));
    }
}
