use std::time::{Duration, Instant};

/// Long enough for anything that takes no time on a loaded machine; only a failing test waits this long.
pub(crate) const SOON: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(5);

/// Waits until `probe` yields a value; fails the test with `what` after `within`.
pub(crate) async fn until<T>(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(started.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}
