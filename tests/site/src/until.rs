use std::time::{Duration, Instant};

/// Time limit for what is immediate on an idle machine. Only a failing test waits this long.
pub const SOON: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(5);

/// Waits until `probe` returns a value. Fails the test with `what` after `within`.
pub async fn until<T>(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(started.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}
