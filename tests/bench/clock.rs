use rustix::{
    event::Timespec,
    time::{ClockId, clock_gettime},
};

/// The system's monotonic clock: the same in all processes, so that what a worker and a client note can be compared.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A length of time as the system wants it.
pub(crate) fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}
