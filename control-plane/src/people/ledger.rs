//! The register together with the store that it follows.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

use super::register::{KINDS, Register};
use crate::{
    error::Error,
    store::{Batch, Expected, Kind, Store, StoreError, Who, Write},
};

/// How often at most the store is asked because somebody came whom the register does not know.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often a change is tried again where another control plane was faster.
const ATTEMPTS_MAX: usize = 32;
/// How soon the store is asked again after it has failed.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// The register, and how it keeps up with the store.
pub(super) struct Ledger {
    pub(super) store: Arc<dyn Store>,
    register: RwLock<Register>,
    /// When it was last looked for news; held while that goes on.
    looked: Mutex<Instant>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl Ledger {
    pub(super) async fn open(store: Arc<dyn Store>) -> Result<Self, Error> {
        let register = Register::of(store.list(&KINDS).await?)?;
        let looked = Mutex::new(Instant::now() - LOOK_EVERY);
        Ok(Self { store, register: RwLock::new(register), looked, changing: Mutex::new(()) })
    }

    /// What is known.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Register> {
        self.register.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Register> {
        self.register.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the store has had until now, for somebody whom the register does not know: they may have been made a moment ago,
    /// by another control plane. However many come at once, the store is asked at most every [`LOOK_EVERY`].
    pub(super) async fn catch_up(&self) -> Result<(), Error> {
        let asked = Instant::now();
        let mut looked = self.looked.lock().await;
        if *looked > asked {
            return Ok(());
        }
        tokio::time::sleep_until(*looked + LOOK_EVERY).await;
        *looked = Instant::now();
        self.take_in().await
    }

    /// Takes in what the store has had until now.
    async fn catch_up_now(&self) -> Result<(), Error> {
        let mut looked = self.looked.lock().await;
        *looked = Instant::now();
        self.take_in().await
    }

    /// Only for whoever holds `looked`.
    async fn take_in(&self) -> Result<(), Error> {
        loop {
            let after = self.read().revision;
            match self.store.changes(after).await {
                Ok(commits) if commits.is_empty() => return Ok(()),
                Ok(commits) => {
                    let mut register = self.write();
                    commits.iter().try_for_each(|commit| register.apply(commit))?;
                }
                Err(StoreError::Forgotten { .. }) => {
                    let register = Register::of(self.store.list(&KINDS).await?)?;
                    *self.write() = register;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Makes a change of users and tokens by what is in the store now, whoever wrote it. `plan` is asked again where another control
    /// plane was faster. A plan without writes changes nothing.
    pub(super) async fn change<R>(
        &self,
        who: Who,
        plan: impl Fn(&Register) -> Result<(Vec<Write>, R), Error>,
    ) -> Result<R, Error> {
        let _one_at_a_time = self.changing.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            self.catch_up_now().await?;
            let (mut writes, result, turn) = {
                let register = self.read();
                let (writes, result) = plan(&register)?;
                (writes, result, register.turn_write())
            };
            if writes.is_empty() {
                return Ok(result);
            }
            writes.push(turn);
            match self.commit(Batch { who: who.clone(), writes }).await {
                Ok(()) => return Ok(result),
                Err(Error::Store(StoreError::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy)
    }

    /// Makes writes, and takes them in.
    pub(super) async fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.store.commit(batch).await?;
        // It is made. Should it not be readable now, the store's watch brings it later.
        let _ = self.catch_up_now().await;
        Ok(())
    }

    /// Takes in what others change, for as long as it is polled. While the store cannot be read, what is known stays in force.
    pub(super) async fn follow(&self) {
        let mut watch = self.store.watch(self.read().revision);
        let mut failing = false;
        loop {
            let told = if failing { Ok(()) } else { watch.next().await.map(drop) };
            let taken_in = self.catch_up_now().await;
            if let (Err(error), false) = (&taken_in, failing) {
                tracing::warn!(
                    "what other control planes change of people is not seen until this is over: {error}"
                );
            }
            failing = taken_in.is_err();
            if told.is_err() || failing {
                tokio::time::sleep(AGAIN_AFTER).await;
                let after = self.read().revision;
                watch = self.store.watch(after);
            }
        }
    }
}

/// A document as the store takes it.
pub(super) fn put(
    kind: Kind,
    key: impl Into<String>,
    value: &impl serde::Serialize,
    expected: Expected,
) -> Result<Write, Error> {
    let value = serde_json::to_string(value)
        .map_err(|error| Error::System { doing: "writing a document", reason: error.to_string() })?;
    Ok(Write::put(kind, key, value, expected))
}
