//! Stores the times at which sessions and tokens were last used, and deletes ended sessions.

use std::time::Duration;

use serde::Serialize;
use slotway_store::{Batch, Expected, Kind, StoreError, Who, Write, to_json};

use crate::{
    kinds::{SESSION, TOKEN_USE},
    last_use::UsedCredential,
    service::IdentityService,
    session::Session,
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
                    let Some(stored) = self.replica.current().sessions.get(key).cloned() else { continue };
                    let session = Session { seen_at: now, ..stored.value };
                    // The expected revision keeps an ended session deleted.
                    put(SESSION, key, &session, Expected::Revision(stored.revision))
                }
                UsedCredential::Token(name) => put(TOKEN_USE, name, &now, Expected::Anything),
            };
            let Ok(write) = write else { continue };
            match self.replica.commit(Batch { who: Who::SYSTEM, writes: vec![write] }).await {
                // In a conflict, another control plane has stored a use of its own.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
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
    pub(crate) async fn prune_now(&self) -> Result<(), StoreError> {
        let writes: Vec<_> = {
            let (state, now) = (self.replica.current(), self.clock.now());
            let ended = state.sessions().filter(|(_, session)| !state.is_valid(session, now));
            let sessions = ended.map(|(key, _)| (SESSION, key));
            let uses = state.token_uses.iter().map(|(name, _)| (TOKEN_USE, name));
            let orphans = uses.filter(|(_, name)| !state.tokens().contains(name));
            let all = sessions.chain(orphans).take(PRUNE_WRITES_MAX);
            all.map(|(kind, key)| Write::delete(kind, key, Expected::Anything)).collect()
        };
        if writes.is_empty() {
            return Ok(());
        }
        self.replica.commit(Batch { who: Who::SYSTEM, writes }).await.map(drop)
    }
}

fn put(kind: Kind, key: &str, value: &impl Serialize, expected: Expected) -> Result<Write, StoreError> {
    Ok(Write::put(kind, key, to_json(kind, key, value)?, expected))
}
