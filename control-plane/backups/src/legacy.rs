//! Backup jobs as versions before 0.2 stored them.

use std::borrow::Cow;

use serde::Deserialize;

use crate::{
    BackupJob, BackupRetention, BackupSchedule, BackupSubject, BackupTarget, FileTarget, FilesSubject,
    S3Target, StoreSubject,
};

/// Returns the stored text of a job in the current shape.
pub(crate) fn upgraded(text: &str) -> Cow<'_, str> {
    let legacy = serde_json::from_str::<LegacyBackupJob>(text).map(BackupJob::from);
    let current = legacy.and_then(|job| serde_json::to_string(&job));
    current.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The shape before 0.2.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LegacyBackupJob {
    what: LegacySubject,
    schedule: String,
    time_zone: String,
    /// `file:///PATH` or `s3://BUCKET/PREFIX`.
    destination: String,
    kept_max: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum LegacySubject {
    State,
    Directory(String),
}

impl From<LegacyBackupJob> for BackupJob {
    fn from(job: LegacyBackupJob) -> Self {
        Self {
            subject: match job.what {
                LegacySubject::State => BackupSubject { store: Some(StoreSubject {}), files: None },
                LegacySubject::Directory(path) => {
                    BackupSubject { store: None, files: Some(FilesSubject { paths: vec![path] }) }
                }
            },
            schedule: BackupSchedule { cron: job.schedule, time_zone: job.time_zone },
            target: target_of(&job.destination),
            retention: BackupRetention { last: job.kept_max },
        }
    }
}

fn target_of(destination: &str) -> BackupTarget {
    match destination.split_once("://") {
        Some(("s3", rest)) => {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            BackupTarget {
                s3: Some(S3Target { bucket: bucket.to_owned(), prefix: prefix.to_owned() }),
                file: None,
            }
        }
        Some((_, path)) => BackupTarget { file: Some(FileTarget { path: path.to_owned() }), s3: None },
        None => BackupTarget::default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn jobs_of_before_are_read_as_they_were_meant() {
        let legacy = |what: Value, destination: &str| -> BackupJob {
            let text = json!({
                "what": what, "schedule": "30 3 * * *", "time_zone": "Europe/Berlin", "destination": destination, "kept_max": 14
            })
            .to_string();
            serde_json::from_str(&upgraded(&text)).unwrap()
        };
        let job = legacy(json!("state"), "s3://backups/slotway/a");
        job.check().unwrap();
        assert_eq!(
            serde_json::to_value(&job).unwrap(),
            json!({
                "subject": { "store": {} },
                "schedule": { "cron": "30 3 * * *", "time_zone": "Europe/Berlin" },
                "target": { "s3": { "bucket": "backups", "prefix": "slotway/a" } },
                "retention": { "last": 14 },
            })
        );
        let job = legacy(json!({ "directory": "/srv" }), "file:///var/backups");
        job.check().unwrap();
        assert_eq!(
            serde_json::to_value((&job.subject, &job.target)).unwrap(),
            json!([{ "files": { "paths": ["/srv"] } }, { "file": { "path": "/var/backups" } }])
        );
    }
}
