use std::{
    io::{BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use slotway_backups::StoreBackup;
use slotway_runtime::{
    Clock,
    file::{AtomicFile, IfExists},
};

use super::{CliError, Configured, output::say};
use crate::store_scope::{in_words, store_scope};

const EXAMPLES: &str = "\
Examples:
  slotway backup -f slotway.yaml slotway-2026-11-29.backup
  slotway backup -f slotway.yaml - | age -r RECIPIENT > slotway.backup.age

The control plane may run. The file has workers, pools, policies, resources of agents, users and tokens (hashes of their
secrets, not the secrets), and only its owner may read it. It does not have the configuration file, the admin token,
certificates, sessions, and the audit log (`slotway audit -o json`).";

/// `slotway backup`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BackupCommand {
    /// The file to write, which must not exist; `-` for standard output
    #[arg(value_name = "BACKUP")]
    to: PathBuf,
    #[command(flatten)]
    configured: Configured,
}

impl BackupCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let config = self.configured.load()?;
        let state = config.state_absolute().map_err(|error| CliError::file(&config.state, error))?;
        let place = config.store.place(&state);
        let listing = slotway_store::read(&config.store, &state, &crate::kinds::ALL).await?.ok_or_else(|| {
            CliError::Usage(format!("{place}: there is no database. A relative `state` counts from the working directory of `serve`"))
        })?;
        let backup = StoreBackup::of(listing, &store_scope(), Clock::System.now());
        let what = in_words(&backup).unwrap_or_else(|| "no resources".to_owned());
        let revision = backup.listing.revision;
        if self.to == Path::new("-") {
            let mut out = BufWriter::new(std::io::stdout().lock());
            let written = backup.write(&mut out).and_then(|()| out.flush());
            return written.map_err(|error| CliError::file("standard output", error));
        }
        write_new(&self.to, &backup)?;
        say(format_args!("{}: {what}; revision {revision} of {place}", self.to.display()));
        Ok(())
    }
}

/// Writes the backup into a new file, which only its owner may read: it contains password hashes.
fn write_new(path: &Path, backup: &StoreBackup) -> Result<(), CliError> {
    let write = || {
        let mut out = BufWriter::new(AtomicFile::create(path, IfExists::Fail)?);
        backup.write(&mut out)?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.commit()
    };
    write().map_err(|error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            CliError::file(path, format!("{error}. A backup never overwrites a file; name another one"))
        }
        _ => CliError::file(path, error),
    })
}
