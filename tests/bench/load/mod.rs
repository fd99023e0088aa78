//! The load: wrk to measure throughput, and requests at fixed times to measure waiting.

mod answer;
pub(crate) mod arrivals;
pub(crate) mod clients;
pub(crate) mod many_clients;
pub(crate) mod nodes;
pub(crate) mod wrk;
