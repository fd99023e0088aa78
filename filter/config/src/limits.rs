//! Bounds on all sizes that an operator or a client chooses.

/// Highest capacity of one worker, in slots.
pub const CAPACITY_MAX: u32 = 65_535;
/// Highest number of pools in one configuration.
pub const POOLS_MAX: usize = 64;
/// Highest number of workers in one pool.
pub const WORKERS_PER_POOL_MAX: usize = 16_384;
/// Highest number of slots in one pool: the pages of the free queue have keys for this many.
pub const SLOTS_PER_POOL_MAX: u64 = 262_144;
/// Highest `max_waiting` of a pool.
pub const WAITING_MAX: u32 = 65_536;
/// Longest base URL of a worker, in bytes.
pub const WORKER_URL_BYTES_MAX: usize = 1_024;
/// Longest name of a pool, in bytes.
pub const POOL_NAME_BYTES_MAX: usize = 63;
/// Longest path prefix of a match, in bytes.
pub const PREFIX_BYTES_MAX: usize = 1_024;
/// Longest duration that any field accepts, in milliseconds: seven days.
pub const DURATION_MS_MAX: u64 = 7 * 24 * 3_600 * 1_000;
/// Most workers in one [`crate::Report`]; the rest follow in the next one.
pub const WORKERS_PER_REPORT_MAX: usize = 1_000;
/// Shortest `lane_lease`, in milliseconds. A lane shows five times in a lease that it lives, from a timer.
pub const LANE_LEASE_MS_MIN: u64 = 1_000;
/// Longest `lane_lease`, in milliseconds.
pub const LANE_LEASE_MS_MAX: u64 = 60_000;
/// Longest time for which a client may send its request, in milliseconds, besides the time of its wait and its answer. Envoy ends
/// a request that takes longer, so that a slot is out for a bounded time.
pub const UPLOAD_MS_MAX: u64 = 600_000;
/// Duration of a stream, in milliseconds, from which Envoy calls the witness even if the stream ended well and still has a mark.
/// The filter removes the mark of such a stream.
pub const WITNESS_ASKED_FROM_MS: u64 = 20;
