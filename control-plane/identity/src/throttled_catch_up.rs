use std::time::Duration;

use slotway_store::{Replica, StoreError};
use tokio::{sync::Mutex, time::Instant};

use crate::state::IdentityState;

/// Shortest time between two reads of the store that unknown names cause.
const INTERVAL_MIN: Duration = Duration::from_millis(50);

/// Reads the store for names that the state does not contain: another control plane may have created them a moment ago. Concurrent
/// calls share one read, so that requests with unknown names cannot overload the store.
pub(crate) struct ThrottledCatchUp {
    /// The start of the last read. Locked during a read.
    last: Mutex<Instant>,
}

impl Default for ThrottledCatchUp {
    fn default() -> Self {
        Self { last: Mutex::new(Instant::now() - INTERVAL_MIN) }
    }
}

impl ThrottledCatchUp {
    /// Takes over all that is committed at the time of the call.
    pub(crate) async fn run(&self, replica: &Replica<IdentityState>) -> Result<(), StoreError> {
        let called_at = Instant::now();
        let mut last = self.last.lock().await;
        if *last > called_at {
            return Ok(());
        }
        tokio::time::sleep_until(*last + INTERVAL_MIN).await;
        *last = Instant::now();
        replica.catch_up().await
    }
}
