use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use slotway_agents_proto::{AgentResources, v1};
use slotway_runtime::Clock;
use slotway_store::{
    ChangedResources, Commit, Documents, DomainResource, Kind, Listing, Replica, Replicated, ResourceChanges,
    ResourceError, ResourceName, ResourceView, Resources, Store, StoreError, StoreFuture, Turn, Versioned,
    Write, read_spec,
};
use tokio::sync::watch;

use crate::{BackupJob, BackupsError, RestorePart, legacy, replaced};

/// Backup jobs, by name.
const BACKUP_JOB: Kind = Kind::new("backup_job");
/// The kinds of documents that this crate owns.
pub const KINDS: &[Kind] = &[BACKUP_JOB];
/// Most backup jobs.
pub const JOBS_MAX: usize = 256;
/// The number of next runs that a job shows.
const RUNS_SHOWN: usize = 5;
const NOTE: &str =
    "The job is stored and pushed over xDS to the nodes that subscribe. This version makes no backups.";

/// The backup jobs as they are stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Jobs {
    jobs: Documents<BackupJob>,
    turn: Turn,
    revision: u64,
}

impl Jobs {
    fn empty() -> Self {
        Self { jobs: Documents::new(BACKUP_JOB), turn: Turn::new("backups"), revision: 0 }
    }

    fn take_over(
        &mut self,
        kind: Kind,
        key: &str,
        revision: u64,
        value: Option<&str>,
    ) -> Result<(), StoreError> {
        if !self.turn.take_over(kind, key, revision, value) {
            let value = value.map(legacy::upgraded);
            self.jobs.take_over(kind, key, revision, value.as_deref())?;
        }
        Ok(())
    }
}

impl Replicated for Jobs {
    type Error = BackupsError;
    type Published = AgentResources;

    const NAME: &'static str = "backups";
    const KINDS: &'static [Kind] = &[BACKUP_JOB, Kind::FACT];

    fn revision(&self) -> u64 {
        self.revision
    }

    fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }

    fn load(&mut self, listing: Listing) -> Result<(), StoreError> {
        *self = Self::empty();
        listing.documents.iter().try_for_each(|document| {
            self.take_over(document.kind, &document.key, document.revision, Some(&document.value))
        })
    }

    fn apply(&mut self, commit: &Commit) -> Result<(), StoreError> {
        commit.changes.iter().try_for_each(|change| {
            self.take_over(change.kind, &change.key, commit.revision, change.value.as_deref())
        })
    }

    fn check(&self) -> Result<(), BackupsError> {
        if self.jobs.len() > JOBS_MAX {
            return Err(BackupsError::TooManyJobs { most: JOBS_MAX });
        }
        self.jobs.iter().try_for_each(|(name, job)| {
            job.value.check().map_err(|error| BackupsError::Job { name: name.to_owned(), error })
        })
    }

    fn writes_to(&self, next: &Self) -> Result<Vec<Write>, BackupsError> {
        let mut writes = self.jobs.writes_to(&next.jobs)?;
        if !writes.is_empty() {
            writes.push(self.turn.write());
        }
        Ok(writes)
    }

    fn stamp(&mut self, before: &Self, revision: u64) {
        self.jobs.stamp(&before.jobs, revision);
        self.turn.stamp(revision);
    }

    fn publish(&self) -> AgentResources {
        let mut resources = AgentResources::default();
        self.jobs.iter().for_each(|(name, job)| resources.set(name, &v1::BackupJob::from(&job.value)));
        resources
    }
}

/// The part that the jobs take in a restore.
pub struct RestoredJobs;

impl RestorePart for RestoredJobs {
    fn writes(&self, present: &Listing, backup: &Listing) -> Result<Vec<Write>, BackupsError> {
        let (mut jobs, mut wanted) = (Jobs::empty(), Jobs::empty());
        jobs.load(present.clone())?;
        wanted.load(backup.clone())?;
        wanted.check().map_err(|error| match error {
            BackupsError::Store(error) => BackupsError::Store(error),
            error => BackupsError::Unfit { reason: error.to_string() },
        })?;
        let mut writes = replaced(present, backup, KINDS);
        if !writes.is_empty() {
            writes.push(jobs.turn.write());
        }
        Ok(writes)
    }
}

/// The backup jobs of a site, kept in the store. Several control planes may share it.
pub struct Backups {
    replica: Replica<Jobs>,
    clock: Clock,
}

impl Backups {
    /// Loads the jobs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(store: Arc<dyn Store>, clock: Clock) -> Result<Self, StoreError> {
        Ok(Self { replica: Replica::open(store, Jobs::empty()).await?, clock })
    }

    /// Returns the jobs as resources for agents, now and after each change.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Arc<AgentResources>> {
        self.replica.published()
    }

    /// Takes over the changes of other control planes for as long as it is polled.
    pub async fn follow(&self) {
        self.replica.follow().await;
    }

    fn view(&self) -> Arc<dyn ResourceView> {
        Arc::new(JobsView { jobs: self.replica.current(), clock: self.clock.clone() })
    }
}

impl Resources for Backups {
    fn kinds(&self) -> &'static [Kind] {
        KINDS
    }

    fn current(&self) -> Arc<dyn ResourceView> {
        self.view()
    }

    fn fresh(&self) -> StoreFuture<'_, Arc<dyn ResourceView>> {
        Box::pin(async {
            self.replica.catch_up().await?;
            Ok(self.view())
        })
    }

    fn caught_up(&self, revision: u64) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if self.replica.current().revision < revision {
                self.replica.catch_up().await?;
            }
            Ok(())
        })
    }
}

/// The jobs at one revision.
struct JobsView {
    jobs: Arc<Jobs>,
    clock: Clock,
}

impl JobsView {
    fn resource(&self, name: &str, job: &Versioned<BackupJob>) -> DomainResource {
        let now = Timestamp::from_millisecond(self.clock.now().unix_ms()).unwrap_or_default();
        let runs = job.value.schedule.read().map(|schedule| schedule.next_runs(now, RUNS_SHOWN));
        let next_runs: Vec<_> = runs.iter().flatten().map(ToString::to_string).collect();
        DomainResource {
            name: name.to_owned(),
            revision: job.revision,
            // A job is text and numbers, which always have JSON.
            spec: serde_json::to_value(&job.value).unwrap_or(Value::Null),
            status: json!({ "next_runs": next_runs, "executed": false, "note": NOTE }),
        }
    }
}

impl ResourceView for JobsView {
    fn revision(&self) -> u64 {
        self.jobs.revision
    }

    fn list(&self, kind: Kind) -> Vec<DomainResource> {
        let jobs = self.jobs.jobs.iter().filter(|_| kind == BACKUP_JOB);
        jobs.map(|(name, job)| self.resource(name, job)).collect()
    }

    fn get(&self, kind: Kind, name: &str) -> Option<DomainResource> {
        self.jobs.jobs.get(name).filter(|_| kind == BACKUP_JOB).map(|job| self.resource(name, job))
    }

    fn changed(&self, changes: ResourceChanges<'_>) -> Result<ChangedResources, ResourceError> {
        let mut next = Jobs::clone(&self.jobs);
        for change in changes.own {
            let Some(spec) = &change.spec else {
                next.jobs.remove(&change.name);
                continue;
            };
            let name: ResourceName = change
                .name
                .parse()
                .map_err(|error: slotway_store::ResourceFieldError| error.of(&change.name))?;
            next.jobs
                .set(name.as_str(), read_spec::<BackupJob>(spec).map_err(|error| error.of(&change.name))?);
        }
        next.check().map_err(|error| match error {
            BackupsError::Job { name, error } => error.below("spec").of(&name),
            BackupsError::Store(error) => error.into(),
            BackupsError::TooManyJobs { .. } | BackupsError::Unfit { .. } => ResourceError::Conflict {
                name: changes.own.last().map(|change| change.name.clone()).unwrap_or_default(),
                reason: error.to_string(),
            },
        })?;
        let writes = self.jobs.writes_to(&next).map_err(|error| match error {
            BackupsError::Store(error) => ResourceError::Store(error),
            error => ResourceError::Domain { name: String::new(), error: Box::new(error) },
        })?;
        Ok(ChangedResources {
            view: Arc::new(Self { jobs: Arc::new(next), clock: self.clock.clone() }),
            writes,
        })
    }
}

#[cfg(test)]
mod tests {
    use slotway_store::{Batch, Expected, ResourceChange, SqliteStore, Who};

    use super::*;

    fn change(name: &str, spec: Option<Value>) -> ResourceChange {
        ResourceChange { kind: BACKUP_JOB, name: name.to_owned(), spec }
    }

    fn nightly() -> Value {
        json!({
            "subject": { "store": {} },
            "schedule": { "cron": "30 3 * * *", "time_zone": "Europe/Berlin" },
            "target": { "file": { "path": "/var/backups" } },
            "retention": { "last": 14 },
        })
    }

    /// A store, and two control planes on it.
    async fn two() -> (tempfile::TempDir, Arc<dyn Store>, Backups, Backups) {
        let directory = tempfile::tempdir().unwrap();
        const ALL: &[Kind] = &[BACKUP_JOB, Kind::FACT];
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(directory.path(), ALL).await.unwrap());
        let one = Backups::open(Arc::clone(&store), Clock::System).await.unwrap();
        let other = Backups::open(Arc::clone(&store), Clock::System).await.unwrap();
        (directory, store, one, other)
    }

    fn planned(view: &dyn ResourceView, changes: &[ResourceChange]) -> Result<Vec<Write>, ResourceError> {
        view.changed(ResourceChanges { own: changes, created_beside: &[] }).map(|changed| changed.writes)
    }

    #[tokio::test]
    async fn a_change_is_seen_by_others_and_the_same_again_writes_nothing() {
        let (_directory, store, one, other) = two().await;
        let changes = [change("nightly", Some(nightly()))];
        let writes = planned(&*one.fresh().await.unwrap(), &changes).unwrap();
        let revision = store.commit(Batch { who: Who::ADMIN_TOKEN, writes }).await.unwrap();
        other.caught_up(revision).await.unwrap();
        let seen = other.current().get(BACKUP_JOB, "nightly").unwrap();
        assert_eq!((seen.revision, &seen.spec), (revision, &nightly()));
        assert_eq!(seen.status["next_runs"].as_array().unwrap().len(), 5);
        assert_eq!(planned(&*other.fresh().await.unwrap(), &changes).unwrap(), []);
    }

    #[tokio::test]
    async fn of_two_changes_on_one_view_the_store_takes_one() {
        let (_directory, store, one, other) = two().await;
        let (first, second) = (one.fresh().await.unwrap(), other.fresh().await.unwrap());
        let writes = planned(&*first, &[change("a", Some(nightly()))]).unwrap();
        store.commit(Batch { who: Who::ADMIN_TOKEN, writes }).await.unwrap();
        let writes = planned(&*second, &[change("b", Some(nightly()))]).unwrap();
        let refused = store.commit(Batch { who: Who::ADMIN_TOKEN, writes }).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn a_wrong_job_is_refused_with_its_field_and_one_too_many_as_a_conflict() {
        let (_directory, _store, one, _) = two().await;
        let view = one.fresh().await.unwrap();
        let mut spec = nightly();
        spec["schedule"]["cron"] = json!("often");
        for (name, spec, at) in [
            ("a", spec, "spec.schedule.cron"),
            ("a", json!({ "subject": {} }), "spec"),
            ("a", json!({ "subject": { "disk": {} } }), "spec.subject.disk"),
            ("Not-One", nightly(), "metadata.name"),
        ] {
            match planned(&*view, &[change(name, Some(spec))]) {
                Err(ResourceError::Invalid { name: of, field, .. }) => {
                    assert_eq!((&*of, &*field), (name, at))
                }
                other => panic!("{at}: {:?}", other.err()),
            }
        }
        let many: Vec<_> = (0..=JOBS_MAX).map(|n| change(&format!("j{n}"), Some(nightly()))).collect();
        assert!(
            matches!(planned(&*view, &many), Err(ResourceError::Conflict { name, .. }) if name == "j256")
        );
        planned(&*view, &many[1..]).unwrap();
    }

    #[tokio::test]
    async fn jobs_of_before_are_shown_in_the_shape_of_today() {
        let (_directory, store, _, _) = two().await;
        let old = r#"{"what":"state","schedule":"30 3 * * *","time_zone":"UTC","destination":"file:///b","kept_max":2}"#;
        store.put(Who::SYSTEM, BACKUP_JOB, "old", old, Expected::Absent).await.unwrap();
        let backups = Backups::open(store, Clock::System).await.unwrap();
        let spec = backups.current().get(BACKUP_JOB, "old").unwrap().spec;
        assert_eq!((&spec["target"]["file"]["path"], &spec["retention"]["last"]), (&json!("/b"), &json!(2)));
    }
}
