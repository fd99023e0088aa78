//! The commands.

mod apply;
mod audit;
mod backup;
mod bootstrap;
mod client;
mod completion;
mod config;
mod connection;
mod cordon;
mod credential;
mod delete;
mod describe;
mod envoys;
mod error;
mod get;
mod json_resource;
mod kind;
mod live;
mod manifest;
mod open_files;
mod origin;
mod output;
mod password;
mod people;
mod proxy_status;
mod rejected_request;
mod restore;
mod running;

mod serve;
mod server_events;
mod set;
mod settling;
mod support_bundle;
mod table;
mod token;
mod top;
mod unified;
mod up;
mod user;
mod version;
mod watch;
mod xds;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Overrides, load};

pub use self::{error::CliError, rejected_request::RejectedRequest};

const EXIT_CODES: &str = "\
Exit codes:
  0  done                          5  there is another version, or it contradicts what is there
  1  failed                        6  the control plane cannot be reached
  2  wrong usage or configuration  7  something differs (diff, apply --dry-run --exit-code)
  3  not found                     8  not so in time (--timeout)
  4  not allowed

`slotway VERB --help` has examples of each; docs/CLI.md has all of it.";

/// A queue of free worker slots in Envoy, and its control plane.
#[derive(Debug, Parser)]
#[command(name = "slotway", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the control plane and an Envoy of its own
    Up(up::Up),
    /// Run the control plane alone
    Serve(serve::Serve),
    /// Print the bootstrap of an Envoy that is to join the control plane
    Bootstrap(bootstrap::Bootstrap),
    /// Look at configuration files
    Config {
        #[command(subcommand)]
        command: config::ConfigCommand,
    },
    /// Show workers, pools, policies, coordinators, users, tokens
    Get(get::Get),
    /// Tell everything about one of them in words
    Describe(describe::Describe),
    /// Make it so as files say: all of it, or nothing
    Apply(apply::Apply),
    /// Show what `apply` would change
    Diff(apply::Diff),
    /// Delete workers, pools, users, tokens
    Delete(delete::Delete),
    /// Give a worker no further requests, and wait until it has none
    Drain(cordon::Drain),
    /// Give a worker no further requests
    Cordon(cordon::Cordon),
    /// Give a worker requests again
    Uncordon(cordon::Uncordon),
    /// Change one thing
    Set {
        #[command(subcommand)]
        what: set::Set,
    },
    /// Show pools, workers and who waits, as it changes
    Top(top::Top),
    /// Show what each Envoy shall have, and what it has acknowledged
    ProxyStatus(proxy_status::ProxyStatus),
    /// Show what was changed, newest first: who, when, what it was and what it became
    Audit(audit::Audit),
    /// Make, show and delete what programs show to say who they are
    Token {
        #[command(subcommand)]
        command: token::Token,
    },
    /// Say who may log in
    User {
        #[command(subcommand)]
        command: user::User,
    },
    /// Write all that the store holds into a file
    Backup(backup::Backing),
    /// Put a backup in the place of what the store holds
    Restore(restore::Restore),
    /// Be a node of xDS oneself
    Xds {
        #[command(subcommand)]
        command: xds::Xds,
    },
    /// Gather what somebody needs to see who is to help, without secrets, into one file
    SupportBundle(support_bundle::SupportBundle),
    /// Print what makes a shell complete `slotway`
    Completion(completion::Completion),
    /// Print the version, and the control plane's
    Version(version::Version),
}

impl Command {
    /// Whether who runs it wants JSON, of a refusal, too.
    fn wants_json(&self) -> bool {
        let format = match self {
            Self::Get(get) => get.output,
            Self::Apply(apply) => apply.output,
            Self::ProxyStatus(status) => status.output,
            Self::Token { command: token::Token::Create(create) } => create.output,
            Self::Token { command: token::Token::List(listed) } => listed.output,
            Self::User { command: user::User::List(listed) } => listed.output,
            Self::Audit(audit) => return audit.output == audit::Output::Json,
            _ => return false,
        };
        format == output::Format::Json
    }
}

/// The configuration file, and what is said over it.
#[derive(Debug, Args)]
struct Configured {
    /// The configuration file
    #[arg(short, long, env = "SLOTWAY_CONFIG", value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
}

impl Configured {
    fn load(&self) -> Result<Config, CliError> {
        let mut config = load(&self.file)?;
        self.overrides.apply(&mut config)?;
        config.check_addresses().map_err(|(setting, reason)| CliError::Setting { setting, reason })?;
        Ok(config)
    }
}

/// Runs the command of the process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    completion::answer_shell();
    let cli = Cli::parse();
    let as_json = cli.command.wants_json();
    match execute(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error, as_json);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Says what went wrong: a line, or where JSON is wanted the problem as the control plane told it.
fn complain(error: &CliError, as_json: bool) {
    match error {
        // It has been shown.
        CliError::Differs => {}
        CliError::Rejected(rejected) if as_json && rejected.problem.is_object() => {
            eprint!("{}", output::json(&rejected.problem).unwrap_or_default());
        }
        error => eprintln!("slotway: {error}"),
    }
}

fn execute(command: Command) -> Result<(), CliError> {
    match command {
        Command::Config { command } => command.run(),
        Command::Bootstrap(bootstrap) => bootstrap.run(),
        Command::Completion(completion) => completion.run(),
        Command::Version(version) => on_runtime(version.run()),
        Command::Get(get) => on_runtime(get.run()),
        Command::Describe(describe) => on_runtime(describe.run()),
        Command::Apply(apply) => on_runtime(apply.run()),
        Command::Diff(diff) => on_runtime(diff.run()),
        Command::Delete(delete) => on_runtime(delete.run()),
        Command::Drain(drain) => on_runtime(drain.run()),
        Command::Cordon(cordon) => on_runtime(cordon.run()),
        Command::Uncordon(uncordon) => on_runtime(uncordon.run()),
        Command::Set { what } => on_runtime(what.run()),
        Command::Top(top) => on_runtime(top.run()),
        Command::ProxyStatus(status) => on_runtime(status.run()),
        Command::Audit(audit) => on_runtime(audit.run()),
        Command::Backup(backup) => on_runtime(backup.run()),
        Command::Restore(restore) => on_runtime(restore.run()),
        Command::SupportBundle(bundle) => on_runtime(bundle.run()),
        Command::Token { command } => on_runtime(command.run()),
        Command::User { command } => on_runtime(command.run()),
        Command::Xds { command } => on_runtime(command.run()),
        Command::Serve(serve) => on_runtime(serve.run()),
        Command::Up(up) => on_runtime(up.run()),
    }
}

/// Runs a command on the main thread, and what it spawns on others. `up` starts programs that end when the thread that
/// started them ends, so this thread must be the main one.
fn on_runtime(command: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::system("starting", error))?;
    let outcome = runtime.block_on(command);
    // A blocking task (a name look-up) must not hold up the end.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn no_two_flags_of_a_verb_are_alike() {
        Cli::command().debug_assert();
    }
}
