//! An open loop: requests at fixed times, independent of earlier ones. Latencies count from the scheduled time of a
//! request, so that a proxy that delays the sender does not get better figures.

pub(super) mod sender;

use std::{net::SocketAddr, time::Duration};

use slotway_tests::split_mix;

use sender::Sender;

/// The time limit for the last answers.
const LAST_WITHIN: Duration = Duration::from_secs(60);

/// The times of requests since the start, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule(Vec<u64>);

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The scheduled time.
    pub(crate) intended_ns: u64,
    /// The actual time.
    pub(crate) sent_ns: u64,
    /// The time of the last byte of its answer.
    pub(crate) answered_ns: u64,
    /// The answer's status; 0 if the connection was closed without an answer.
    pub(crate) status: u16,
    /// The time of its arrival at the worker, if the answer contains it.
    pub(crate) arrived_ns: Option<u64>,
}

impl Sent {
    /// Returns the delay of the sender itself.
    pub(crate) fn lateness(&self) -> Duration {
        Duration::from_nanos(self.sent_ns.saturating_sub(self.intended_ns))
    }

    /// Returns the time from the scheduled time to the arrival at the worker.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.arrived_ns.map(|arrived| Duration::from_nanos(arrived.saturating_sub(self.intended_ns)))
    }

    /// Returns the time from the scheduled time to the answer.
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_nanos(self.answered_ns.saturating_sub(self.intended_ns))
    }
}

impl Schedule {
    /// Returns a schedule of independent arrivals (a Poisson process) with `per_second` on average. The same seed gives
    /// the same times.
    pub(crate) fn by_chance(per_second: f64, length: Duration, mut seed: u64) -> Self {
        let mut times = Vec::new();
        let mut at = 0.0;
        loop {
            // From 0 to less than 1.
            let chance = (split_mix::next(&mut seed) >> 11) as f64 / (1_u64 << 53) as f64;
            at += -(1.0 - chance).ln() / per_second;
            if at >= length.as_secs_f64() {
                return Self(times);
            }
            times.push((at * 1e9) as u64);
        }
    }

    /// Returns the number of requests.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Sends requests for `path`, with these header lines (`name: value\r\n` each), and returns after the last answer.
///
/// # Panics
/// If the proxy accepts no connection, sends an answer that is not HTTP/1, or does not answer at all.
pub(crate) async fn run(address: SocketAddr, path: &str, headers: &str, schedule: &Schedule) -> Vec<Sent> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n");
    let schedule = schedule.clone();
    let sending = move || Sender::new(address, request.into_bytes())?.send(&schedule.0, LAST_WITHIN);
    tokio::task::spawn_blocking(sending).await.unwrap().unwrap_or_else(|error| panic!("{address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::{STAMPED, Workers};

    #[tokio::test]
    async fn each_request_is_sent_when_it_is_due_and_its_wait_ends_at_the_worker() {
        let workers = Workers::start(Duration::from_millis(30));
        let schedule = Schedule(vec![0, 1_000_000, 2_000_000, 80_000_000]);
        let sent = run(workers.address(0), STAMPED, "x-test: 1\r\n", &schedule).await;
        assert_eq!(sent.iter().map(|sent| sent.status).collect::<Vec<_>>(), [200; 4]);
        // No request has waited for the answer to another one, which takes longer than the next three need to be sent.
        let counted = workers.counted();
        assert!(counted.most_of_all() >= 2, "{counted:?}");
        for one in &sent {
            assert!(one.sent_ns >= one.intended_ns, "{one:?}");
            assert!(one.wait().unwrap() >= one.lateness(), "{one:?}");
            assert!(one.latency() >= one.wait().unwrap() + Duration::from_millis(30), "{one:?}");
        }
    }

    #[test]
    fn a_schedule_has_the_rate_that_was_asked_for() {
        let chance = Schedule::by_chance(1_000.0, Duration::from_secs(20), 7);
        assert!((19_000..21_000).contains(&chance.len()), "{}", chance.len());
        assert!(chance.0.is_sorted());
        assert_eq!(chance, Schedule::by_chance(1_000.0, Duration::from_secs(20), 7));
        assert_ne!(chance, Schedule::by_chance(1_000.0, Duration::from_secs(20), 8));
    }
}
