use std::{future::Future, sync::Weak, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::StoreError;

/// The interval between probes of a failing database.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// Why the database accepts no changes at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The time of the first failure.
    pub since: Instant,
    /// A message for the operator.
    pub reason: String,
}

/// Whether a database accepts changes, according to its last uses.
#[derive(Debug, Default)]
pub(crate) struct Health(watch::Sender<Option<Trouble>>);

impl Health {
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Trouble>> {
        self.0.subscribe()
    }

    /// Records the outcome of a use of the database. Only a successful write ends a failure.
    pub(crate) fn note<T>(&self, outcome: &Result<T, StoreError>, wrote: bool) {
        match outcome {
            Err(error) if error.is_about_the_database() => self.0.send_if_modified(|trouble| {
                let begins = trouble.is_none();
                if begins {
                    tracing::error!("changes are refused from now on: {error}");
                }
                let since = trouble.take().map_or_else(Instant::now, |trouble| trouble.since);
                *trouble = Some(Trouble { since, reason: error.to_string() });
                begins
            }),
            Ok(_) if wrote => self.0.send_if_modified(|trouble| {
                let ends = trouble.take();
                if let Some(trouble) = &ends {
                    let lasted_s = trouble.since.elapsed().as_secs();
                    tracing::info!("the database takes changes again, after {lasted_s} s");
                }
                ends.is_some()
            }),
            Ok(_) | Err(_) => false,
        };
    }
}

/// A database that can be probed.
pub(crate) trait Probe: Send + Sync + 'static {
    /// Writes without a visible change, and records the outcome.
    fn probe(&self) -> impl Future<Output = ()> + Send;
}

/// Probes a failing database until it recovers. Ends when the database is dropped.
pub(crate) async fn tend<P: Probe>(database: Weak<P>, mut health: watch::Receiver<Option<Trouble>>) {
    loop {
        if health.wait_for(Option::is_some).await.is_err() {
            return;
        }
        tokio::time::sleep(TRY_EVERY).await;
        let Some(database) = database.upgrade() else { return };
        database.probe().await;
    }
}
