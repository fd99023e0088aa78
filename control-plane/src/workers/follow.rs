use std::time::Duration;

use super::Workers;

/// How soon the store is asked again after it has failed.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

impl Workers {
    /// Takes in what other control planes on the same store change, for as long as it is polled. While the store cannot
    /// be read, what is known stays in force.
    pub async fn follow(&self) {
        let mut watch = self.book.store.watch(self.book.roster().revision);
        let mut failing = false;
        loop {
            // After a failure everything is looked at in any case: what failed may be what the watch has just told.
            let told = if failing { Ok(()) } else { watch.next().await.map(drop) };
            if let Err(error) = &told {
                tracing::debug!("the store cannot be watched: {error}");
            }
            let outcome = self.book.follow_up().await;
            if let Err(error) = &outcome
                && !failing
            {
                tracing::warn!("what other control planes change is not seen until this is over: {error}");
            }
            failing = outcome.is_err();
            if told.is_err() || failing {
                tokio::time::sleep(AGAIN_AFTER).await;
                watch = self.book.store.watch(self.book.roster().revision);
            }
        }
    }
}
