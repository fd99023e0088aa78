use serde::{Deserialize, Serialize};

use crate::{
    Cell::{First, Name, Number, Text, Variant},
    Column, Deletion, RequiredScope, ResourceKind, schema_of,
};

/// Backup jobs.
pub static BACKUP_JOB: ResourceKind = ResourceKind {
    name: "BackupJob",
    stored: Some("backup_job"),
    path: "backup-jobs",
    word: "backupjob",
    words: "backupjobs",
    aliases: &["bj"],
    title: "backup job",
    titles: "backup jobs",
    read: RequiredScope::Read,
    change: RequiredScope::Admin,
    is_applied: true,
    deletion: Deletion::Possible,
    columns: &[
        Column::new("JOB", Name),
        Column::new("SUBJECT", Variant("spec.subject")),
        Column::new("SCHEDULE", Text("spec.schedule.cron")),
        Column::new("TIME ZONE", Text("spec.schedule.time_zone")),
        Column::new("TARGET", Variant("spec.target")),
        Column::new("KEEP", Number("spec.retention.last")),
    ],
    wide_columns: &[Column::new("NEXT RUN", First("status.next_runs"))],
    ordinary: Some(schema_of::<BackupJobSpec, BackupJobStatus>),
    xds_type: Some("type.googleapis.com/slotway.agents.v1.BackupJob"),
};

/// A backup that is made on a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupJobSpec {
    /// What is backed up.
    pub subject: BackupSubject,
    /// When it runs.
    pub schedule: BackupSchedule,
    /// Where the backups go.
    pub target: BackupTarget,
    /// Which backups are kept.
    pub retention: BackupRetention,
}

/// What is backed up: exactly one of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupSubject {
    /// The documents of Slotway's own store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSubject>,
    /// Files and directories of the agent's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesSubject>,
}

/// Slotway's own store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreSubject {}

/// Files and directories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesSubject {
    /// Absolute paths, without `..`.
    #[schema(min_items = 1, max_items = 64)]
    pub paths: Vec<String>,
}

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupSchedule {
    /// Five fields of cron: minute, hour, day of the month, month, day of the week.
    #[schema(example = "30 3 * * *")]
    pub cron: String,
    /// The IANA name of the time zone.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
}

/// Where backups go: exactly one of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupTarget {
    /// A directory of the agent's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileTarget>,
    /// A bucket of an object store that speaks S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Target>,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileTarget {
    /// An absolute path, without `..`.
    pub path: String,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Target {
    /// The name of the bucket.
    #[schema(pattern = "^[a-z0-9.-]{3,63}$")]
    pub bucket: String,
    /// What stands in front of the names of all objects; empty for nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

/// Which backups are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRetention {
    /// The number of newest backups that are kept.
    #[schema(minimum = 1, maximum = 10_000)]
    pub last: u32,
}

/// When a backup job runs next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupJobStatus {
    /// The next five times of its schedule, in its time zone (RFC 9557).
    pub next_runs: Vec<String>,
    /// Whether this version executes the job.
    pub executed: bool,
    /// What becomes of the job.
    pub note: String,
}
