use serde::{Deserialize, Serialize};

use super::{Schedule, proto, wrong::Wrong};

/// Most backup jobs.
pub const JOBS_MAX: usize = 256;
/// Most backups that a job can keep.
const KEPT_MAX: u32 = 10_000;
/// Longest path and longest destination, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// A backup that is made again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BackupJobBody", into = "BackupJobBody")]
pub struct BackupJob(BackupJobBody);

/// A backup that is made again and again, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupJobBody {
    /// What is backed up.
    pub what: BackupSubject,
    /// When: five fields of cron.
    #[schema(example = "30 3 * * *")]
    pub schedule: String,
    /// The time zone of the schedule, by its IANA name.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    /// Where to: `file:///PATH` or `s3://BUCKET/PREFIX`.
    #[schema(example = "s3://backups/slotway")]
    pub destination: String,
    /// How many backups are kept; the oldest go.
    #[schema(minimum = 1, maximum = 10_000)]
    pub kept_max: u32,
}

/// What is backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackupSubject {
    /// All that the control plane keeps.
    State,
    /// A directory of the agent's machine, an absolute path.
    Directory(String),
}

impl BackupJob {
    /// When it runs.
    ///
    /// # Errors
    /// None: it was read once already.
    pub fn schedule(&self) -> Result<Schedule, Wrong> {
        Schedule::new(&self.0.schedule, &self.0.time_zone)
    }

    /// The job as it is written.
    #[must_use]
    pub fn body(&self) -> &BackupJobBody {
        &self.0
    }
}

impl TryFrom<BackupJobBody> for BackupJob {
    type Error = Wrong;

    fn try_from(body: BackupJobBody) -> Result<Self, Wrong> {
        if let BackupSubject::Directory(path) = &body.what
            && !is_absolute_path(path)
        {
            let reason =
                format!("{path:?} is not an absolute path without `..`, of at most {TEXT_BYTES_MAX} bytes");
            return Err(Wrong::new("what.directory", reason));
        }
        Schedule::new(&body.schedule, &body.time_zone)?;
        if !is_destination(&body.destination) {
            let reason =
                "`file:///PATH` or `s3://BUCKET/PREFIX` is needed, without user, password, query or fragment";
            return Err(Wrong::new("destination", reason));
        }
        if !(1..=KEPT_MAX).contains(&body.kept_max) {
            let reason = format!("{} is out of range: from 1 to {KEPT_MAX}", body.kept_max);
            return Err(Wrong::new("kept_max", reason));
        }
        Ok(Self(body))
    }
}

impl From<BackupJob> for BackupJobBody {
    fn from(job: BackupJob) -> Self {
        job.0
    }
}

impl From<&BackupJob> for proto::BackupJob {
    fn from(BackupJob(job): &BackupJob) -> Self {
        let what = match &job.what {
            BackupSubject::State => proto::backup_job::What::State(true),
            BackupSubject::Directory(path) => proto::backup_job::What::Directory(path.clone()),
        };
        Self {
            what: Some(what),
            schedule: job.schedule.clone(),
            time_zone: job.time_zone.clone(),
            destination: job.destination.clone(),
            kept_max: job.kept_max,
        }
    }
}

fn is_absolute_path(path: &str) -> bool {
    path.len() <= TEXT_BYTES_MAX
        && path.starts_with('/')
        && !path.chars().any(char::is_control)
        && path.split('/').all(|part| part != "..")
}

/// A destination carries no secret: those belong to the agent.
fn is_destination(url: &str) -> bool {
    if url.len() > TEXT_BYTES_MAX || url.contains(['@', '?', '#', ' ']) || url.chars().any(char::is_control) {
        return false;
    }
    match url.split_once("://") {
        Some(("file", path)) => is_absolute_path(path),
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
        Some(("s3", rest)) => {
            let bucket = rest.split('/').next().unwrap_or_default();
            let letters =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
            (3..=63).contains(&bucket.len()) && bucket.bytes().all(letters)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right() -> BackupJobBody {
        BackupJobBody {
            what: BackupSubject::Directory("/srv/projects".to_owned()),
            schedule: "30 3 * * *".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            destination: "s3://backups/slotway".to_owned(),
            kept_max: 14,
        }
    }

    #[test]
    fn a_right_job_is_the_same_after_it_was_written() {
        let job = BackupJob::try_from(right()).unwrap();
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<BackupJob>(&text).unwrap(), job);
        assert!(
            BackupJob::try_from(BackupJobBody { destination: "file:///var/backups".to_owned(), ..right() })
                .is_ok()
        );
    }

    #[test]
    fn a_job_that_cannot_be_is_refused_with_its_field() {
        type Spoil = fn(&mut BackupJobBody);
        let wrong: [(Spoil, &str); 11] = [
            (|job| job.what = BackupSubject::Directory("srv".to_owned()), "what.directory"),
            (|job| job.what = BackupSubject::Directory("/srv/../etc".to_owned()), "what.directory"),
            (|job| job.schedule = "often".to_owned(), "schedule"),
            (|job| job.time_zone = "Berlin".to_owned(), "time_zone"),
            (|job| job.destination = "ftp://host/".to_owned(), "destination"),
            (|job| job.destination = "s3://user:secret@bucket/x".to_owned(), "destination"),
            (|job| job.destination = "s3://B/".to_owned(), "destination"),
            (|job| job.destination = "file://relative".to_owned(), "destination"),
            (|job| job.destination = String::new(), "destination"),
            (|job| job.kept_max = 0, "kept_max"),
            (|job| job.kept_max = 10_001, "kept_max"),
        ];
        for (spoil, field) in wrong {
            let mut job = right();
            spoil(&mut job);
            assert_eq!(BackupJob::try_from(job).unwrap_err().field, field);
        }
    }
}
