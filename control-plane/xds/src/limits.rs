//! Bounds on everything that a node can make larger, and time limits.

use std::time::Duration;

use slotway_runtime::liveness::DEAD_AFTER;

/// Most streams at once; the next one is refused with `RESOURCE_EXHAUSTED`.
pub(crate) const STREAMS_MAX: usize = 16_384;
/// Most resource names that one subscription can list.
pub(crate) const NAMES_MAX: usize = 1_024;
/// Longest resource name, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 2_048;
/// Longest id, cluster or version of a node, in bytes.
pub(crate) const NODE_TEXT_BYTES_MAX: usize = 256;
/// Largest request of a node, in bytes. The largest part of one is the list of the resources that it has kept from an earlier
/// stream.
pub(crate) const REQUEST_BYTES_MAX: usize = 8 << 20;
/// Memory for a request at first, in bytes: an acknowledgement fits.
pub(crate) const REQUEST_BYTES_USUAL: usize = 1_024;
/// Most resources that a node can state as kept from an earlier stream.
pub(crate) const KEPT_MAX: usize = 65_536;
/// Longest part of a rejection's reason that is kept and shown, in bytes.
pub(crate) const REASON_BYTES_MAX: usize = 4_096;
/// Most sets that are kept for nodes that connect again.
pub(crate) const HISTORY_MAX: usize = 16;
/// Most nodes whose unacknowledged resources are kept.
pub(crate) const UNCONFIRMED_MAX: usize = STREAMS_MAX;
/// Most refused nodes, and most addresses, whose logged reason is kept.
pub(crate) const LOGGED_MAX: usize = 1_024;
/// Time limit for the first request of a stream.
pub(crate) const FIRST_WITHIN: Duration = Duration::from_secs(15);
/// How long a second stream of a node id waits for the end of the first: until a dead connection is found out, and 2 s more.
pub(crate) const HANDOVER: Duration = Duration::from_secs(DEAD_AFTER.as_secs() + 2);
