//! Bounds on everything that an operator or a client can make larger.

/// Highest capacity of one worker, in slots.
pub const CAPACITY_MAX: u32 = 65_535;
/// Highest number of pools in one configuration.
pub const POOLS_MAX: usize = 64;
/// Highest number of workers in one pool.
pub const WORKERS_PER_POOL_MAX: usize = 16_384;
/// Highest number of slots in one pool: the free queue's pages are numbered in a ring of this size.
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
/// Shortest `lane_lease`, in milliseconds: a lane is heard of five times in a lease, from a timer.
pub const LANE_LEASE_MS_MIN: u64 = 1_000;
/// Longest `lane_lease`, in milliseconds.
pub const LANE_LEASE_MS_MAX: u64 = 60_000;
/// Longest that a client may take to send its request, in milliseconds, beside the time for which it waits and is
/// answered. Envoy ends a request that takes longer in all, so that a slot is out for a bounded time.
pub const UPLOAD_MS_MAX: u64 = 600_000;
/// A stream that took so long, in milliseconds, may be told to the witness even if it ended well; the filter sees to it that
/// it need not be.
pub const WITNESS_ASKED_FROM_MS: u64 = 20;
