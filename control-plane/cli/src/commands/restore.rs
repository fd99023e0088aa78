use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use clap::Args;
use slotway_api_types::kinds;
use slotway_backups::{RestoreOutcome, RestorePlan, StoreBackup};

use slotway_runtime::Clock;
use slotway_store::{Kind, Listing};

use super::{
    CliError, Configured,
    output::{printable, say},
};
use crate::store_scope::{in_words, store_scope};

const EXAMPLES: &str = "\
Examples:
  slotway restore -f slotway.yaml slotway.backup                      into an empty store
  slotway restore -f slotway.yaml slotway.backup --replace --dry-run  the differences
  age -d slotway.backup.age | slotway restore -f slotway.yaml -

With `store: sqlite` the control plane must be stopped. With PostgreSQL control planes may run, and follow; this command
needs an unused state directory (--state). Tokens and users that were deleted since the backup exist again. Sessions end.
Workers that are not in the backup drain first.";

/// `slotway restore`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Restore {
    /// A file that `slotway backup` wrote; `-` for standard input
    #[arg(value_name = "BACKUP")]
    from: PathBuf,
    /// Replace the content of the store
    #[arg(long)]
    replace: bool,
    /// Change nothing, and print the differences; the control plane may run
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    configured: Configured,
}

impl Restore {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let config = self.configured.load()?;
        let state = config.state_absolute().map_err(|error| CliError::file(&config.state, error))?;
        let place = config.store.place(&state);
        let backup = self.read()?;
        let scope = store_scope();
        scope.check(&backup).map_err(|error| self.wrong(&error.to_string()))?;
        let plan = if self.dry_run {
            let nothing = || Listing { revision: 0, documents: Vec::new() };
            let there =
                slotway_store::read(&config.store, &state, &crate::kinds::ALL).await?.unwrap_or_else(nothing);
            scope.plan(&there, &backup)?
        } else {
            let store = slotway_store::open(&config.store, &state, &crate::kinds::ALL).await?;
            scope.restore(&*store, &backup, |present| self.may_replace(present)).await?
        };
        self.tell(&plan, &backup, &place);
        Ok(())
    }

    /// Checks that the restore may replace the store's content: it must be empty, unless `--replace` is set.
    fn may_replace(&self, present: &Listing) -> Result<(), CliError> {
        let present = StoreBackup::of(present.clone(), &store_scope(), Clock::System.now());
        match in_words(&present) {
            Some(holds) if !self.replace => Err(CliError::StoreNotEmpty { holds }),
            _ => Ok(()),
        }
    }

    fn read(&self) -> Result<StoreBackup, CliError> {
        let read = if self.from == Path::new("-") {
            StoreBackup::read(std::io::stdin().lock(), &store_scope())
        } else {
            let file = File::open(&self.from).map_err(|error| CliError::file(&self.from, error))?;
            StoreBackup::read(BufReader::new(file), &store_scope())
        };
        read.map_err(|reason| self.wrong(&reason))
    }

    fn wrong(&self, reason: &str) -> CliError {
        CliError::Usage(format!("{}: {reason}; nothing was changed", self.from.display()))
    }

    fn tell(&self, plan: &RestorePlan, backup: &StoreBackup, place: &str) {
        let dry = if self.dry_run { " (dry run)" } else { "" };
        for (kind, key, outcome) in &plan.outcomes {
            let name = match *kind {
                // There is only one document of these kinds.
                kind if is_single(kind) => kind.as_str().replace('_', "-"),
                kind => format!("{}/{}", kind.as_str().replace('_', "-"), printable(key)),
            };
            say(format_args!("{name} {}{dry}", outcome_in_words(*outcome)));
        }
        let made = format!("as it was at {} (revision {})", backup.made_at, backup.listing.revision);
        if plan.writes.is_empty() {
            say(format_args!("{place} is {made} already"));
        } else if !self.dry_run {
            say(format_args!("{place} is {made}"));
        }
    }
}

/// Returns whether a kind has at most one document.
fn is_single(kind: Kind) -> bool {
    kinds::by_stored(kind.as_str()).is_some_and(|kind| kind.title == kind.titles)
}

fn outcome_in_words(outcome: RestoreOutcome) -> &'static str {
    match outcome {
        RestoreOutcome::Created => "created",
        RestoreOutcome::Changed => "changed",
        RestoreOutcome::Deleted => "deleted",
        RestoreOutcome::Draining => "draining",
        RestoreOutcome::Moving => "moving",
    }
}
