//! The load: wrk, where throughput is asked for, and requests at fixed times, where waiting is.

mod answer;
pub(crate) mod arrivals;
pub(crate) mod clients;
pub(crate) mod many_clients;
pub(crate) mod nodes;
pub(crate) mod wrk;
