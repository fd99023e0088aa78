//! The messages in a lane's own shared queue, which wake the lane.

use slotway_engine::{Grant, LaneId, ReleaseOutcome, Serial, Ticket};

/// The ticket of a message of a lane to itself, which no waiter has. A filter of an earlier version takes the message for a grant to a
/// waiter that is gone, and releases the slot.
const CLOSED: Ticket = Ticket::MAX;
/// What distinguishes [`Message::Replies`] from [`Message::Closed`].
const REPLIES: u32 = u32::MAX;

/// A message to a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// A slot for a waiter of the lane.
    Grant(Grant),
    /// A slot of the lane whose connection to the worker is closed: the lane itself sends the message within the callback that
    /// ends the answer, and Envoy closes the connection before it delivers the message.
    Closed(Serial, ReleaseOutcome),
    /// The lane has local replies to send, after the callback in which it has sent this message.
    Replies,
}

/// A message to a lane, and the pool of its slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WakeUp {
    pub(crate) pool: String,
    pub(crate) message: Message,
}

impl Message {
    /// Encodes the message for a pool.
    pub(crate) fn encode(&self, pool: &str) -> Vec<u8> {
        let grant = match self {
            Self::Grant(grant) => *grant,
            Self::Closed(serial, outcome) => {
                let names_epoch = match outcome {
                    ReleaseOutcome::Answered => 0,
                    ReleaseOutcome::Unreachable => 1,
                    ReleaseOutcome::Abandoned => 2,
                };
                Grant { lane: 0, ticket: CLOSED, worker: 0, serial: *serial, names_epoch }
            }
            Self::Replies => Grant { lane: 0, ticket: CLOSED, worker: 0, serial: 0, names_epoch: REPLIES },
        };
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(&grant.ticket.to_le_bytes());
        bytes.extend_from_slice(&grant.serial.to_le_bytes());
        bytes.extend_from_slice(&grant.names_epoch.to_le_bytes());
        bytes.extend_from_slice(&grant.lane.to_le_bytes());
        bytes.extend_from_slice(&grant.worker.to_le_bytes());
        bytes.extend_from_slice(pool.as_bytes());
        bytes
    }
}

impl WakeUp {
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
        let message = if grant.ticket == CLOSED {
            match grant.names_epoch {
                0 => Message::Closed(grant.serial, ReleaseOutcome::Answered),
                1 => Message::Closed(grant.serial, ReleaseOutcome::Unreachable),
                REPLIES => Message::Replies,
                _ => Message::Closed(grant.serial, ReleaseOutcome::Abandoned),
            }
        } else {
            Message::Grant(grant)
        };
        Some(Self { pool: String::from_utf8(pool.to_vec()).ok()?, message })
    }
}

/// Returns the name of a lane's wake-up queue.
pub(crate) fn queue_name(lane: LaneId) -> String {
    format!("slotway/1/lane/{lane}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRANT: Grant = Grant { lane: 3, ticket: 1 << 40, worker: 513, serial: 1 << 50, names_epoch: 7 };

    #[test]
    fn a_wake_up_is_decoded_as_it_was_encoded() {
        let outcomes = [ReleaseOutcome::Answered, ReleaseOutcome::Unreachable, ReleaseOutcome::Abandoned];
        let closed = outcomes.map(|outcome| Message::Closed(1 << 50, outcome));
        for message in [Message::Grant(GRANT), Message::Replies].into_iter().chain(closed) {
            let wake_up = WakeUp { pool: "preannotation".to_owned(), message: message.clone() };
            assert_eq!(WakeUp::decode(&message.encode("preannotation")), Some(wake_up));
        }
    }

    #[test]
    fn a_wake_up_that_is_too_short_is_not_decoded() {
        let bytes = Message::Grant(GRANT).encode("");
        assert!((0..bytes.len()).all(|end| WakeUp::decode(&bytes[..end]).is_none()));
    }
}
