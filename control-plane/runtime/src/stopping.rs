use std::sync::Arc;

use tokio::sync::watch;

/// How far the end of the control plane has come. It only goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    Serving,
    /// It still serves, and tells at `/readyz` that it is about to end, so that nobody new is sent here.
    Leaving,
    /// Nothing new is taken: what is under way ends, and streams are ended.
    Ending,
}

/// Tells everything that has to end in order how far the end has come. Clones tell the same.
#[derive(Debug, Clone)]
pub struct Stopping(Arc<watch::Sender<Phase>>);

impl Default for Stopping {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Serving)))
    }
}

impl Stopping {
    /// How far it has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Goes on to `phase`; never back.
    pub fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let goes_on = phase > *now;
            *now = phase.max(*now);
            goes_on
        });
    }

    /// Waits for [`Phase::Ending`]: the end of every stream that would go on for ever.
    pub async fn ending(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|phase| *phase == Phase::Ending).await;
    }

    /// The same as [`Self::ending`], of its own.
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
