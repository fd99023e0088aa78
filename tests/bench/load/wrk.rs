//! A closed loop: each connection sends its next request after the answer to the last one.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use crate::closed::{Load, LoadGenerator};

/// The result of a run of wrk.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// Answers with a status of 2xx or 3xx per second.
    pub(crate) per_second: f64,
    /// All answers.
    pub(crate) answers: u64,
    /// Answers with another status.
    pub(crate) other_status: u64,
    /// Failed connections, reads and writes, and missing answers.
    pub(crate) socket_errors: u64,
    /// The median latency.
    pub(crate) p50: Duration,
    /// The 99th percentile of the latency.
    pub(crate) p99: Duration,
}

impl Run {
    /// Returns the number of failed requests.
    pub(crate) fn failures(&self) -> u64 {
        self.other_status + self.socket_errors
    }
}

/// Runs wrk with one thread.
pub(crate) async fn run(address: SocketAddr, load: &Load, length: Duration) -> Run {
    let seconds = length.as_secs().max(1);
    let mut command = tokio::process::Command::from(crate::contender::installed("wrk"));
    command
        .args(["--threads", "1", "--latency", "--timeout", "60s"])
        .args(["--connections", &load.connections.to_string(), "--duration", &format!("{seconds}s")])
        .arg(format!("http://{address}/"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let LoadGenerator::Script(script) = &load.by {
        command.arg("--script").arg(script);
    }
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    read(&text).unwrap_or_else(|| panic!("not what wrk writes:\n{text}"))
}

/// Parses the output of wrk.
fn read(text: &str) -> Option<Run> {
    let line = |begins: &str| text.lines().find_map(|line| line.trim().strip_prefix(begins)).map(str::trim);
    let other_status = match line("Non-2xx or 3xx responses:") {
        Some(count) => count.parse().ok()?,
        None => 0,
    };
    let socket_errors = match line("Socket errors:") {
        Some(errors) => errors
            .split(", ")
            .map(|kind| kind.rsplit(' ').next()?.parse::<u64>().ok())
            .sum::<Option<u64>>()?,
        None => 0,
    };
    let totals = text.lines().find(|line| line.contains(" requests in "))?.trim();
    let answers: u64 = totals.split(' ').next()?.parse().ok()?;
    let all_per_second: f64 = line("Requests/sec:")?.parse().ok()?;
    let good = answers.saturating_sub(other_status) as f64 / answers.max(1) as f64;
    Some(Run {
        per_second: all_per_second * good,
        answers,
        other_status,
        socket_errors,
        p50: duration(line("50%")?)?,
        p99: duration(line("99%")?)?,
    })
}

/// Parses `830.00us`, `1.18ms`, `2.05s` or `1.01m`.
fn duration(text: &str) -> Option<Duration> {
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (number, seconds) =
        units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * seconds))
}

#[cfg(test)]
#[allow(dead_code, reason = "the benchmark is compiled with this, but without the tests that need it")]
mod tests {
    use super::*;

    const WRITTEN: &str = "Running 2s test @ http://127.0.0.1:1/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.23ms  400.00us  20.00ms   90.00%
    Req/Sec    12.34k     1.00k   13.00k    80.00%
  Latency Distribution
     50%    1.18ms
     75%    1.30ms
     90%    1.50ms
     99%  830.00us
  20000 requests in 2.00s, 1.90MB read
  Socket errors: connect 1, read 2, write 0, timeout 3
  Non-2xx or 3xx responses: 5000
Requests/sec:  10000.00
Transfer/sec:      0.95MB
";

    #[test]
    fn what_wrk_writes_is_read_and_failures_are_no_throughput() {
        let run = read(WRITTEN).unwrap();
        assert_eq!(run.answers, 20_000);
        assert_eq!((run.other_status, run.socket_errors, run.failures()), (5_000, 6, 5_006));
        assert!((run.per_second - 7_500.0).abs() < 1e-6);
        assert_eq!((run.p50, run.p99), (Duration::from_micros(1_180), Duration::from_micros(830)));
    }

    #[test]
    fn what_wrk_does_not_write_is_no_run() {
        assert_eq!(read(&WRITTEN.replace("Requests/sec", "Something")), None);
        assert_eq!(read(&WRITTEN.replace("1.18ms", "1.18")), None);
        assert_eq!(read(""), None);
    }
}
