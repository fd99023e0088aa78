//! Stores the times at which sessions and tokens were last used, and deletes ended sessions.

use std::time::Duration;

use slotway_store::{Batch, Expected, StoreError, Who, Write};

use crate::{
    error::IdentityError,
    kinds::{SESSION, TOKEN_USE},
    last_use::UsedCredential,
    service::IdentityService,
    session::Session,
    state::put,
};

/// Time between two deletions of ended sessions.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);
/// Most deletions in one commit.
const PRUNE_WRITES_MAX: usize = 1_000;

impl IdentityService {
    /// Stores queued uses for as long as it is polled.
    pub(crate) async fn store_last_uses(&self) {
        let mut uses = self.last_uses.receiver().await;
        while let Some(used) = uses.recv().await {
            let now = self.clock.now();
            let write = match &used {
                UsedCredential::Session(key) => {
                    let stored = self.replica.read().sessions.get(key).cloned();
                    let Some(stored) = stored else { continue };
                    let session = Session { seen_at: now, ..stored.value };
                    // The expected revision keeps an ended session deleted.
                    put(SESSION, key, &session, Expected::Revision(stored.revision))
                }
                UsedCredential::Token(name) => put(TOKEN_USE, name, &now, Expected::Anything),
            };
            let Ok(write) = write else { continue };
            match self.replica.commit(Batch { who: Who::SYSTEM, writes: vec![write] }).await {
                // In a conflict, another control plane has stored a use of its own.
                Ok(()) | Err(IdentityError::Store(StoreError::Conflict { .. })) => {}
                Err(error) => tracing::debug!(%error, "time of last use not stored"),
            }
        }
    }

    /// Deletes ended sessions at intervals for as long as it is polled. Every control plane does so; deleting twice changes nothing.
    pub(crate) async fn prune(&self) {
        let mut tick = tokio::time::interval(PRUNE_INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.prune_now().await {
                tracing::debug!(%error, "ended sessions not deleted");
            }
        }
    }

    /// Deletes ended sessions, and times of last use of tokens that do not exist.
    pub(crate) async fn prune_now(&self) -> Result<(), IdentityError> {
        let writes: Vec<_> = {
            let (state, now) = (self.replica.read(), self.clock.now());
            let ended = state.sessions.iter().filter(|(_, session)| !state.is_valid(&session.value, now));
            let sessions = ended.map(|(key, _)| (SESSION, key));
            let orphans = state.token_uses.keys().filter(|name| !state.tokens.contains_key(*name));
            let all = sessions.chain(orphans.map(|name| (TOKEN_USE, name))).take(PRUNE_WRITES_MAX);
            all.map(|(kind, key)| Write::delete(kind, key, Expected::Anything)).collect()
        };
        if writes.is_empty() {
            return Ok(());
        }
        self.replica.commit(Batch { who: Who::SYSTEM, writes }).await
    }
}
