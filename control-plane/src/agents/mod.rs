//! What agents are told, the processes that will start servers and run backups: server limits, resource profiles and backup
//! jobs. They are edited over REST, kept in the store, and pushed over xDS to every node that subscribes. Nothing executes
//! them yet.

mod backup_job;
mod follow;
mod kept;
pub mod proto;
mod resource_profiles;
mod schedule;
mod server_limits;
mod servers;
mod wrong;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use slotway_config::{PoolName, WorkerUrl};
use tokio::sync::{Mutex, watch};

use self::kept::Known;
use crate::kinds;
use crate::{
    error::Error,
    store::{Store, Who, Write},
};

pub use backup_job::{BackupJob, BackupJobBody, BackupSubject, JOBS_MAX};
pub(crate) use kept::turn_write;
pub use resource_profiles::{ResourceProfile, ResourceProfiles};
pub use schedule::Schedule;
pub use server_limits::{ServerLimits, ServerLimitsBody};
pub use servers::{Server, Servers};
pub use wrong::Wrong;

/// All that agents are told: one value for each change, never altered once it is published.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForAgents {
    /// How many servers may run.
    pub server_limits: ServerLimits,
    /// What they may use.
    pub resource_profiles: ResourceProfiles,
    /// The backups, by name.
    pub backup_jobs: BTreeMap<String, BackupJob>,
}

/// What agents are told and which workers are servers, kept in the store. Several control planes may share it.
pub struct Agents {
    store: Arc<dyn Store>,
    /// One change at a time; held while the store writes.
    known: Mutex<Known>,
    told: watch::Sender<Arc<ForAgents>>,
}

/// How often a change is tried again where another control plane was faster.
const ATTEMPTS_MAX: usize = 16;

impl Agents {
    /// Loads what is stored; what is not there is as it is without a word of anybody's.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn open(store: Arc<dyn Store>) -> Result<Self, Error> {
        let known = Known::read(&*store).await?;
        let told = watch::Sender::new(Arc::clone(&known.told));
        Ok(Self { store, known: Mutex::new(known), told })
    }

    /// What agents are told, now and after each change.
    #[must_use]
    pub fn told(&self) -> watch::Receiver<Arc<ForAgents>> {
        self.told.subscribe()
    }

    /// What agents are told now.
    #[must_use]
    pub fn current(&self) -> Arc<ForAgents> {
        self.told.borrow().clone()
    }

    /// Sets how many servers may run. Those that run already go on, also beyond the limit.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Store`].
    pub async fn put_server_limits(&self, who: Who, limits: ServerLimits) -> Result<(), Error> {
        self.change(who, |_| Ok((vec![kept::put_the_one(kinds::SERVER_LIMITS, &limits)?], ()))).await
    }

    /// Sets what servers may use.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Store`].
    pub async fn put_resource_profiles(&self, who: Who, profiles: ResourceProfiles) -> Result<(), Error> {
        self.change(who, |_| Ok((vec![kept::put_the_one(kinds::RESOURCE_PROFILES, &profiles)?], ()))).await
    }

    /// Adds a backup, or changes the one of this name.
    ///
    /// # Errors
    /// [`Error::Conflict`] where there are too many, [`Error::Busy`], [`Error::Store`].
    pub async fn put_backup_job(&self, who: Who, name: &PoolName, job: BackupJob) -> Result<(), Error> {
        self.change(who, |known| {
            let jobs = &known.told.backup_jobs;
            if jobs.len() >= JOBS_MAX && !jobs.contains_key(name.as_str()) {
                let reason = format!("there are {JOBS_MAX} backup jobs already, and that is the most");
                return Err(Error::Conflict { index: None, field: None, reason });
            }
            Ok((vec![kept::put(kinds::BACKUP_JOB, name.as_str(), &job)?], ()))
        })
        .await
    }

    /// Removes a backup's job, not the backups that it has made.
    ///
    /// # Errors
    /// [`Error::UnknownBackupJob`], [`Error::Busy`], [`Error::Store`].
    pub async fn remove_backup_job(&self, who: Who, name: &str) -> Result<(), Error> {
        self.change(who, |known| {
            known.told.backup_job(name)?;
            Ok((vec![kept::delete(kinds::BACKUP_JOB, name)], ()))
        })
        .await
    }

    /// The backup of this name.
    ///
    /// # Errors
    /// [`Error::UnknownBackupJob`].
    pub fn backup_job(&self, name: &str) -> Result<BackupJob, Error> {
        self.current().backup_job(name)
    }

    /// The workers that are marked as servers.
    pub async fn servers(&self) -> Vec<Server> {
        self.known.lock().await.servers.list()
    }

    /// Marks a worker as a server of a usage, where the limits leave a place. `present` are the workers that there are: a mark of
    /// another one holds no place.
    ///
    /// # Errors
    /// [`Error::UnknownWorker`], [`Error::NoPlace`], [`Error::Busy`], [`Error::Store`].
    pub async fn mark_server(
        &self,
        who: Who,
        worker: WorkerUrl,
        usage: PoolName,
        present: &BTreeSet<String>,
    ) -> Result<Server, Error> {
        if !present.contains(worker.as_str()) {
            let known = present.iter().take(20).cloned().collect();
            return Err(Error::UnknownWorker { worker: worker.to_string(), known });
        }
        let server = Server { worker: worker.to_string(), usage };
        self.change(who, |known| {
            let mut servers = known.servers.clone();
            let gone = servers.retain(|worker| present.contains(worker));
            servers.mark(server.clone(), &known.told.server_limits)?;
            let gone = gone.iter().map(|worker| kept::delete(kinds::SERVER, worker));
            let mark = kept::put(kinds::SERVER, &server.worker, &server.usage.as_str())?;
            Ok((gone.chain([mark]).collect(), server.clone()))
        })
        .await
    }

    /// Takes the mark off a worker: it holds no place any longer.
    ///
    /// # Errors
    /// [`Error::UnknownWorker`] where it has none, [`Error::Busy`], [`Error::Store`].
    pub async fn unmark_server(&self, who: Who, worker: &WorkerUrl) -> Result<(), Error> {
        self.change(who, |known| {
            if !known.servers.clone().unmark(worker.as_str()) {
                let listed = known.servers.list().into_iter().take(20).map(|server| server.worker);
                return Err(Error::UnknownWorker { worker: worker.to_string(), known: listed.collect() });
            }
            Ok((vec![kept::delete(kinds::SERVER, worker.as_str())], ()))
        })
        .await
    }

    /// Makes a change of what is in the store now, whoever wrote it. `plan` is asked again where another control plane was faster.
    async fn change<R>(
        &self,
        who: Who,
        plan: impl Fn(&Known) -> Result<(Vec<Write>, R), Error>,
    ) -> Result<R, Error> {
        let mut known = self.known.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let now = Known::read(&*self.store).await?;
            let (writes, result) = plan(&now)?;
            if now.commit(&*self.store, who.clone(), writes).await? {
                // It is made. Should it not be readable now, the store's watch brings it later.
                if let Ok(after) = Known::read(&*self.store).await {
                    self.take_in(&mut known, after);
                }
                return Ok(result);
            }
        }
        Err(Error::Busy)
    }

    /// The store's revision that is known here.
    async fn revision(&self) -> u64 {
        self.known.lock().await.revision
    }

    async fn read_anew(&self) -> Result<(), Error> {
        let mut known = self.known.lock().await;
        let now = Known::read(&*self.store).await?;
        self.take_in(&mut known, now);
        Ok(())
    }

    fn take_in(&self, known: &mut Known, now: Known) {
        self.told.send_if_modified(|told| {
            let is_news = **told != *now.told;
            *told = Arc::clone(&now.told);
            is_news
        });
        *known = now;
    }
}

impl ForAgents {
    fn backup_job(&self, name: &str) -> Result<BackupJob, Error> {
        self.backup_jobs.get(name).cloned().ok_or_else(|| Error::UnknownBackupJob {
            name: name.to_owned(),
            known: self.backup_jobs.keys().cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests;
