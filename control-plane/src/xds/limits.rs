//! Bounds on everything that a node can make larger, and how long some things take.

use std::time::Duration;

/// Most streams at once; the next one is refused with `RESOURCE_EXHAUSTED`.
pub const STREAMS_MAX: usize = 16_384;
/// Most resource names that one subscription can list.
pub const NAMES_MAX: usize = 1_024;
/// Longest resource name, in bytes.
pub const NAME_BYTES_MAX: usize = 2_048;
/// Longest id, cluster or version that is taken from a node, in bytes.
pub const NODE_TEXT_BYTES_MAX: usize = 256;
/// Largest request of a node, in bytes; the largest part of one is the list of what it has kept from an earlier stream.
pub const REQUEST_BYTES_MAX: usize = 8 << 20;
/// Memory for a request to begin with, in bytes: an acknowledgement fits.
pub const REQUEST_BYTES_USUAL: usize = 1_024;
/// Most resources that a node can say it has kept from an earlier stream.
pub const KEPT_MAX: usize = 65_536;
/// Longest part of a rejection's reason that is kept and shown, in bytes.
pub const REASON_BYTES_MAX: usize = 4_096;
/// How many of the last sets of clusters are remembered for nodes that connect again.
pub const HISTORY_MAX: usize = 16;
/// Of how many nodes that have not acknowledged their clusters is remembered which they were sent.
pub const DOUBTS_MAX: usize = STREAMS_MAX;
/// Of how many refused nodes, and of how many addresses, it is remembered that their refusal was logged.
pub const TOLD_MAX: usize = 1_024;
/// Responses on their way to a node: one for each type, since one for each may be unacknowledged.
pub const RESPONSES_MAX: usize = super::ResourceType::ALL.len();
/// How long the first request of a stream may take to come.
pub const FIRST_WITHIN: Duration = Duration::from_secs(15);
/// How long a worker's limit in Envoy stays as high as it was after its capacity was lowered: longer than Envoy's threads, and
/// the requests that are on their way to the worker, ever take.
pub const LINGER: Duration = Duration::from_secs(5);
/// A connection whose other end has said nothing for so long, not even its system, is closed. Envoy, too, gives such a connection up
/// after 15 s; it finds its old stream gone when it connects again.
pub const DEAD_AFTER: Duration = Duration::from_secs(10);
/// How long a second stream of a node id waits for the end of the first: until that would have been found dead, and a little more.
pub const HANDOVER: Duration = Duration::from_secs(12);
