//! The probe, and how its output is read.

use std::sync::OnceLock;

use slotway_tests::host::{Filter, Headers, Host, LaneIndex, StreamId};

/// The lanes by their usual names.
pub(crate) const A: LaneIndex = LaneIndex(0);
pub(crate) const B: LaneIndex = LaneIndex(1);

pub(crate) fn probe() -> &'static Filter {
    static PROBE: OnceLock<Filter> = OnceLock::new();
    PROBE.get_or_init(|| Filter::compile(include_bytes!("probe.wat"), true).unwrap())
}

/// Returns a host with two lanes and a configuration that does not tick.
pub(crate) fn two_lanes() -> Host {
    let mut host = Host::new(probe(), 2);
    host.configure("n").unwrap();
    host
}

/// Returns a request that makes the probe do something.
pub(crate) fn asking(what: &str) -> Headers {
    [(":method", "GET"), (":path", "/"), ("do", what)].into_iter().collect()
}

pub(crate) fn ask(host: &mut Host, lane: LaneIndex, what: &str) -> StreamId {
    host.request(lane, asking(what))
}

/// Returns the probe's output from the `from`-th word on: `0 H2` is the callback for headers on lane 0 in context 2; `-` is
/// a canary.
pub(crate) fn said_since(host: &Host, from: usize) -> Vec<String> {
    host.logs()[from..]
        .iter()
        .map(|line| match line.lane {
            Some(lane) => format!("{} {}", lane.0, line.message),
            None => format!("- {}", line.message),
        })
        .collect()
}

/// Returns the words of what happens in `doing`.
pub(crate) fn saying<R>(host: &mut Host, doing: impl FnOnce(&mut Host) -> R) -> Vec<String> {
    let from = host.logs().len();
    doing(host);
    said_since(host, from)
}
