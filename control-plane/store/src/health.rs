use std::{future::Future, sync::Weak, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::StoreError;

/// How often a database in trouble is tried.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// Why changes are not possible at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Instant,
    /// In words for the operator.
    pub reason: String,
}

/// Whether a database takes changes, as far as its last uses have shown.
#[derive(Debug, Default)]
pub(crate) struct Health(watch::Sender<Option<Trouble>>);

impl Health {
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Trouble>> {
        self.0.subscribe()
    }

    /// Notes how a use of the database ended: only a write that went well ends a trouble.
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

/// A database that can be tried out.
pub(crate) trait Probe: Send + Sync + 'static {
    /// Makes a write that changes nothing that anybody sees, and notes how it went.
    fn probe(&self) -> impl Future<Output = ()> + Send;
}

/// Tries a database in trouble until it is well again; ends with it.
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
