use std::{
    fs::File,
    io::{BufWriter, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{Configured, output::say};
use crate::{backup::Backup, error::Error, store};

const EXAMPLES: &str = "\
Examples:
  slotway backup -f slotway.yaml slotway-2026-11-29.backup
  slotway backup -f slotway.yaml - | age -r RECIPIENT > slotway.backup.age

The control plane may run. The file has workers, pools, policies, what agents are told, users and tokens (hashes of their
secrets, not these), and its owner alone may read it. Not in it: the configuration file, the admin token, certificates,
sessions, and who changed what (`slotway audit -o json`).";

/// `slotway backup`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Backing {
    /// The file to write, which must not be there yet; `-` for standard output
    #[arg(value_name = "BACKUP")]
    to: PathBuf,
    #[command(flatten)]
    configured: Configured,
}

impl Backing {
    pub(super) async fn run(self) -> Result<(), Error> {
        let config = self.configured.load()?;
        let state = config.state_absolute().map_err(|error| Error::file(&config.state, error))?;
        let place = config.store.place(&state);
        let listing = store::read(&config.store, &state, &crate::kinds::ALL).await?.ok_or_else(|| {
            Error::Usage(format!("{place}: there is no database yet, and so nothing to back up; a relative `state` counts from the directory that `serve` was started in"))
        })?;
        let backup = Backup::of(listing);
        let what = backup.in_words().unwrap_or_else(|| "nothing that anybody has named".to_owned());
        let revision = backup.listing.revision;
        if self.to == Path::new("-") {
            let mut out = BufWriter::new(std::io::stdout().lock());
            let written = backup.write(&mut out).and_then(|()| out.flush());
            return written.map_err(|error| Error::file("standard output", error));
        }
        write_new(&self.to, &backup)?;
        say(format_args!("{}: {what}; revision {revision} of {place}", self.to.display()));
        Ok(())
    }
}

/// Writes a file that is whole, or not there.
fn write_new(path: &Path, backup: &Backup) -> Result<(), Error> {
    let failed = |error| Error::file(path, error);
    // Its owner alone reads it: there are hashes in it that somebody could guess passwords against.
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Error::file(path, format!("{error}; a backup is written over nothing, so name another file"))
        }
        _ => failed(error),
    })?;
    let mut out = BufWriter::new(&file);
    let written = backup.write(&mut out).and_then(|()| out.flush()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // It has no end, and so would be refused; but nobody needs it.
        let _ = std::fs::remove_file(path);
        failed(error)
    })
}
