use std::sync::Arc;

use tokio::sync::watch;

/// The phase of the process. It only advances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Requests are served.
    Serving,
    /// Requests are still served, and `/readyz` reports the shutdown, so that load balancers send no new ones.
    Leaving,
    /// No new requests are accepted; running ones finish, and streams are ended.
    Ending,
}

/// Publishes the phase to everything that takes part in the shutdown. Clones share it.
#[derive(Debug, Clone)]
pub struct Stopping(Arc<watch::Sender<Phase>>);

impl Default for Stopping {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Serving)))
    }
}

impl Stopping {
    /// Returns the phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Advances to `phase`; never back.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let goes_on = phase > *now;
            *now = phase.max(*now);
            goes_on
        });
    }

    /// Waits for [`Phase::Ending`], when endless streams have to end.
    pub async fn ending(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|phase| *phase == Phase::Ending).await;
    }

    /// Returns [`Self::ending`] as a future of its own.
    pub fn on_ending(&self) -> impl Future<Output = ()> + Send + use<> {
        let own = self.clone();
        async move { own.ending().await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_goes_on_and_never_back() {
        let stopping = Stopping::default();
        let other = stopping.clone();
        let mut ended = tokio::spawn(stopping.on_ending());
        other.advance(Phase::Leaving);
        other.advance(Phase::Serving);
        assert_eq!(stopping.phase(), Phase::Leaving);
        assert!(!ended.is_finished());
        other.advance(Phase::Ending);
        other.advance(Phase::Leaving);
        (&mut ended).await.unwrap();
        stopping.ending().await;
        assert_eq!(stopping.phase(), Phase::Ending);
    }
}
