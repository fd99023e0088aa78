use rustix::{
    event::Timespec,
    time::{ClockId, clock_gettime},
};

/// Returns the time of the system's monotonic clock. It is the same in all processes, so the timestamps of a worker and
/// a client can be compared.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Converts a duration for system calls.
pub(crate) fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}
