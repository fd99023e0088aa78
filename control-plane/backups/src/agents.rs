//! Jobs as messages for agents.

use slotway_agents_proto::v1;

use crate::{BackupJob, BackupSubject, BackupTarget};

impl From<&BackupJob> for v1::BackupJob {
    fn from(job: &BackupJob) -> Self {
        Self {
            what: Some(what(&job.subject)),
            schedule: job.schedule.cron.clone(),
            time_zone: job.schedule.time_zone.clone(),
            destination: destination(&job.target),
            kept_max: job.retention.last,
        }
    }
}

fn what(subject: &BackupSubject) -> v1::backup_job::What {
    match subject.files.as_ref().map(|files| files.paths.as_slice()) {
        Some([path]) => v1::backup_job::What::Directory(path.clone()),
        Some(paths) => v1::backup_job::What::Files(v1::FileSubject { paths: paths.to_vec() }),
        None => v1::backup_job::What::State(true),
    }
}

fn destination(target: &BackupTarget) -> String {
    match (&target.s3, &target.file) {
        (Some(s3), _) if s3.prefix.is_empty() => format!("s3://{}", s3.bucket),
        (Some(s3), _) => format!("s3://{}/{}", s3.bucket, s3.prefix),
        (None, file) => {
            format!("file://{}", file.as_ref().map(|file| file.path.as_str()).unwrap_or_default())
        }
    }
}
