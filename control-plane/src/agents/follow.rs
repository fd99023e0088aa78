use std::time::Duration;

use super::Agents;

/// How soon the store is asked again after it has failed.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

impl Agents {
    /// Takes in what other control planes on the same store change, for as long as it is polled. While the store cannot be
    /// read, what is known stays as it is.
    pub async fn follow(&self) {
        let mut watch = self.store.watch(self.revision().await);
        let mut failing = false;
        loop {
            // After a failure everything is read anew in any case: what failed may be what the watch has just told.
            let told = if failing { Ok(()) } else { watch.next().await.map(drop) };
            let read = self.read_anew().await;
            if let (Err(error), false) = (&read, failing) {
                tracing::warn!(
                    "what other control planes tell agents is not seen until this is over: {error}"
                );
            }
            failing = read.is_err();
            if told.is_err() || failing {
                tokio::time::sleep(AGAIN_AFTER).await;
                watch = self.store.watch(self.revision().await);
            }
        }
    }
}
