//! The load: wrk, where throughput is asked for, and requests at fixed times, where waiting is.

pub(crate) mod wrk;
