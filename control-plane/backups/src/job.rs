use serde::{Deserialize, Serialize};
use slotway_store::ResourceFieldError;

use crate::Schedule;

/// Largest number of backups that a job keeps.
const KEPT_MAX: u32 = 10_000;
/// Longest path and longest prefix, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;
/// Most paths of a job.
const PATHS_MAX: usize = 64;

/// A backup that is made on a schedule. [`Self::check`] says whether it can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupJob {
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSubject {}

/// Files and directories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesSubject {
    /// Absolute paths, without `..`.
    pub paths: Vec<String>,
}

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSchedule {
    /// Five fields of cron.
    pub cron: String,
    /// The IANA name of the time zone.
    pub time_zone: String,
}

/// Where backups go: exactly one of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileTarget {
    /// An absolute path, without `..`.
    pub path: String,
}

/// A bucket. It carries no secret: credentials belong to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Target {
    /// The name of the bucket.
    pub bucket: String,
    /// What stands in front of the names of all objects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

/// Which backups are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRetention {
    /// The number of newest backups that are kept.
    pub last: u32,
}

impl BackupJob {
    /// Finds a value that cannot be.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), ResourceFieldError> {
        self.subject.check().map_err(|error| error.below("subject"))?;
        self.schedule.read().map_err(|error| error.below("schedule"))?;
        self.target.check().map_err(|error| error.below("target"))?;
        if !(1..=KEPT_MAX).contains(&self.retention.last) {
            let reason = format!("{} is out of range: from 1 to {KEPT_MAX}", self.retention.last);
            return Err(ResourceFieldError::new("retention.last", reason));
        }
        Ok(())
    }
}

impl BackupSchedule {
    /// Reads the schedule.
    ///
    /// # Errors
    /// What is wrong, in the field `cron` or `time_zone`.
    pub fn read(&self) -> Result<Schedule, ResourceFieldError> {
        Schedule::new(&self.cron, &self.time_zone)
    }
}

impl BackupSubject {
    fn check(&self) -> Result<(), ResourceFieldError> {
        exactly_one(&[("store", self.store.is_some()), ("files", self.files.is_some())])?;
        let Some(FilesSubject { paths }) = &self.files else { return Ok(()) };
        if !(1..=PATHS_MAX).contains(&paths.len()) {
            let reason = format!("from 1 to {PATHS_MAX} paths are needed, not {}", paths.len());
            return Err(ResourceFieldError::new("files.paths", reason));
        }
        for (index, path) in paths.iter().enumerate() {
            check_path(path)
                .map_err(|reason| ResourceFieldError::new(format!("files.paths[{index}]"), reason))?;
        }
        Ok(())
    }
}

impl BackupTarget {
    fn check(&self) -> Result<(), ResourceFieldError> {
        exactly_one(&[("file", self.file.is_some()), ("s3", self.s3.is_some())])?;
        if let Some(FileTarget { path }) = &self.file {
            check_path(path).map_err(|reason| ResourceFieldError::new("file.path", reason))?;
        }
        let Some(S3Target { bucket, prefix }) = &self.s3 else { return Ok(()) };
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
        let is_letter =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(is_letter) {
            let reason = "a bucket's name has from 3 to 63 lower-case letters, digits, `-` and `.`, and no user or password";
            return Err(ResourceFieldError::new("s3.bucket", reason));
        }
        if prefix.len() > TEXT_BYTES_MAX
            || prefix.contains(['@', '?', '#', ' '])
            || prefix.chars().any(char::is_control)
        {
            let reason = format!(
                "a prefix has at most {TEXT_BYTES_MAX} bytes, and no space, `@`, `?`, `#` or control character"
            );
            return Err(ResourceFieldError::new("s3.prefix", reason));
        }
        Ok(())
    }
}

/// Looks whether exactly one of some fields is set.
fn exactly_one(fields: &[(&str, bool)]) -> Result<(), ResourceFieldError> {
    if fields.iter().filter(|(_, is_set)| *is_set).count() == 1 {
        return Ok(());
    }
    let names: Vec<_> = fields.iter().map(|(name, _)| format!("`{name}`")).collect();
    Err(ResourceFieldError::new("", format!("exactly one of {} is needed", names.join(", "))))
}

fn check_path(path: &str) -> Result<(), String> {
    let is_right = path.len() <= TEXT_BYTES_MAX
        && path.starts_with('/')
        && !path.chars().any(char::is_control)
        && path.split('/').all(|part| part != "..");
    if is_right {
        return Ok(());
    }
    let shown: String = path.chars().take(TEXT_BYTES_MAX).collect();
    Err(format!("{shown:?} is not an absolute path without `..`, of at most {TEXT_BYTES_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right() -> BackupJob {
        BackupJob {
            subject: BackupSubject {
                files: Some(FilesSubject { paths: vec!["/srv/projects".to_owned()] }),
                ..BackupSubject::default()
            },
            schedule: BackupSchedule { cron: "30 3 * * *".to_owned(), time_zone: "Europe/Berlin".to_owned() },
            target: BackupTarget {
                s3: Some(S3Target { bucket: "backups".to_owned(), prefix: "slotway".to_owned() }),
                ..BackupTarget::default()
            },
            retention: BackupRetention { last: 14 },
        }
    }

    fn bucket(name: &str) -> BackupTarget {
        let s3 = S3Target { bucket: name.to_owned(), prefix: String::new() };
        BackupTarget { s3: Some(s3), ..BackupTarget::default() }
    }

    #[test]
    fn a_valid_job_is_the_same_after_it_was_written_and_read() {
        let job = right();
        job.check().unwrap();
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<BackupJob>(&text).unwrap(), job);
        let file = FileTarget { path: "/var/backups".to_owned() };
        let job = BackupJob { target: BackupTarget { file: Some(file), s3: None }, ..right() };
        job.check().unwrap();
    }

    #[test]
    fn an_invalid_job_is_refused_with_its_field() {
        type Spoil = fn(&mut BackupJob);
        let wrong: [(Spoil, &str); 15] = [
            (|job| job.subject = BackupSubject::default(), "subject"),
            (|job| job.subject.store = Some(StoreSubject {}), "subject"),
            (|job| job.subject.files = Some(FilesSubject::default()), "subject.files.paths"),
            (
                |job| job.subject.files.as_mut().unwrap().paths.push("srv".to_owned()),
                "subject.files.paths[1]",
            ),
            (
                |job| job.subject.files.as_mut().unwrap().paths[0] = "/srv/../etc".to_owned(),
                "subject.files.paths[0]",
            ),
            (|job| job.schedule.cron = "often".to_owned(), "schedule.cron"),
            (|job| job.schedule.time_zone = "Berlin".to_owned(), "schedule.time_zone"),
            (|job| job.target = BackupTarget::default(), "target"),
            (|job| job.target.file = Some(FileTarget { path: "/x".to_owned() }), "target"),
            (|job| job.target = bucket("user:secret@bucket"), "target.s3.bucket"),
            (|job| job.target = bucket("B"), "target.s3.bucket"),
            (|job| job.target.s3.as_mut().unwrap().prefix = "a b".to_owned(), "target.s3.prefix"),
            (
                |job| job.target = BackupTarget { file: Some(FileTarget { path: "x".to_owned() }), s3: None },
                "target.file.path",
            ),
            (|job| job.retention.last = 0, "retention.last"),
            (|job| job.retention.last = 10_001, "retention.last"),
        ];
        for (spoil, field) in wrong {
            let mut job = right();
            spoil(&mut job);
            assert_eq!(job.check().unwrap_err().field, field);
        }
    }
}
