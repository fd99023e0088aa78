//! Completion in a shell: verbs, flags, and the names of resources of the control plane.

use std::{ffi::OsStr, io::Write, time::Duration};

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::{
    CompleteEnv,
    engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate},
    env::{Bash, EnvCompleter, Fish, Shells, Zsh},
};

use super::{Cli, connection::Connection, kind::Kind};
use crate::commands::CliError;

/// The environment variable by which a shell asks for completions.
const VARIABLE: &str = "SLOTWAY_COMPLETE";
/// The longest time that a completion waits for the control plane.
const NAMES_WITHIN: Duration = Duration::from_millis(700);
/// The largest number of offered names.
const NAMES_MAX: usize = 500;
/// Options that bash needs beside clap's own script.
const COLONS: &str = include_str!("completion.bash");
const SHELLS: Shells<'static> = Shells(&[&Bash, &Zsh, &Fish]);

const EXAMPLES: &str = "\
Examples:
  source <(slotway completion bash)                  in ~/.bashrc
  source <(slotway completion zsh)                   in ~/.zshrc, after compinit
  slotway completion fish | source                   in ~/.config/fish/config.fish

Names of resources come from the control plane that SLOTWAY_API, SLOTWAY_CONFIG and SLOTWAY_TOKEN name.";

/// `slotway completion`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completion {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let completer: &dyn EnvCompleter = match self.shell {
            Shell::Bash => &Bash,
            Shell::Zsh => &Zsh,
            Shell::Fish => &Fish,
        };
        let mut out = std::io::stdout().lock();
        let written = completer
            .write_registration(VARIABLE, "slotway", "slotway", "slotway", &mut out)
            .and_then(|()| match self.shell {
                Shell::Bash => out.write_all(COLONS.as_bytes()),
                Shell::Zsh | Shell::Fish => Ok(()),
            });
        written.map_err(|error| CliError::system("writing the completion", error))
    }
}

/// Answers a completion request of a shell, and then ends the process. Returns if there is no such request.
pub(super) fn answer_shell() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).shells(SHELLS).complete();
}

/// Completes a kind.
pub(super) fn kinds() -> ArgValueCandidates {
    ArgValueCandidates::new(|| Kind::all().map(|kind| CompletionCandidate::new(kind.words)).collect())
}

/// Completes a name of the kind that the argument before it names.
pub(super) fn names() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let kind = std::env::args().find_map(|word| word.parse::<Kind>().ok());
        kind.map(|kind| named(kind, current)).unwrap_or_default()
    })
}

/// Completes the name of a worker.
pub(super) fn workers() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| named(Kind::WORKER, current))
}

/// Completes the name of a pool.
pub(super) fn pools() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| named(Kind::POOL, current))
}

/// Completes the name of a user.
pub(super) fn users() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| named(Kind::USER, current))
}

/// Completes the name of a token.
pub(super) fn tokens() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| named(Kind::TOKEN, current))
}

/// Returns the names of a kind with this prefix. Returns none if the control plane does not answer, since a completion cannot show errors.
fn named(kind: Kind, current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let names = || -> Option<Vec<String>> {
        let client = Connection::of_environment().client().ok()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let list = client.list(kind, &[]);
        let list = runtime.block_on(async { tokio::time::timeout(NAMES_WITHIN, list).await }).ok()?.ok()?;
        Some(list.items.iter().map(|resource| resource.name().to_owned()).collect())
    };
    let names = names().unwrap_or_default().into_iter().filter(|name| name.starts_with(current));
    names.take(NAMES_MAX).map(CompletionCandidate::new).collect()
}
