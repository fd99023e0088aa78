//! The commands, their arguments, messages and exit codes.

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
mod find;
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
mod printable;
mod proxy_status;
mod rejected_request;
mod restore;
mod running;

mod await_worker;
mod serve;
mod server_events;
mod set;
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

pub use self::error::CliError;

const EXIT_CODES: &str = "\
Exit codes:
  0  success                       5  version conflict, or a conflict with the current state
  1  failure                       6  the control plane cannot be reached
  2  wrong usage or configuration  7  differences found (diff, apply --dry-run --exit-code)
  3  not found                     8  time limit exceeded (--timeout)
  4  not authenticated or forbidden

`slotway VERB --help` has examples; docs/CLI.md is the reference.";

/// A queue of free worker slots in Envoy, and its control plane.
#[derive(Debug, Parser)]
#[command(name = "slotway", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the control plane and a supervised Envoy
    Up(up::Up),
    /// Run the control plane alone
    Serve(serve::Serve),
    /// Print the bootstrap for an Envoy that joins the control plane
    Bootstrap(bootstrap::Bootstrap),
    /// Check configuration files
    Config {
        #[command(subcommand)]
        command: config::ConfigCommand,
    },
    /// Show resources of a kind
    Get(get::Get),
    /// Show one resource in detail
    Describe(describe::Describe),
    /// Create or change resources from files, all or nothing
    Apply(apply::Apply),
    /// Show what `apply` would change
    Diff(apply::Diff),
    /// Delete resources
    Delete(delete::Delete),
    /// Cordon a worker and wait until its requests have ended
    Drain(cordon::Drain),
    /// Stop sending requests to a worker
    Cordon(cordon::Cordon),
    /// Resume sending requests to a worker
    Uncordon(cordon::Uncordon),
    /// Change one field of a resource
    Set {
        #[command(subcommand)]
        what: set::Set,
    },
    /// Show pools, workers and waiting requests, live
    Top(top::Top),
    /// Show which configuration each Envoy has acknowledged
    ProxyStatus(proxy_status::ProxyStatus),
    /// Show the audit log, newest entry first
    Audit(audit::Audit),
    /// Create, list and delete API tokens
    Token {
        #[command(subcommand)]
        command: token::Token,
    },
    /// Create, list and delete users
    User {
        #[command(subcommand)]
        command: user::User,
    },
    /// Write the content of the store to a file
    Backup(backup::BackupCommand),
    /// Replace the content of the store with a backup
    Restore(restore::Restore),
    /// Connect to xDS as a node
    Xds {
        #[command(subcommand)]
        command: xds::Xds,
    },
    /// Collect diagnostics for support, without secrets
    SupportBundle(support_bundle::SupportBundle),
    /// Print the completion script of a shell
    Completion(completion::Completion),
    /// Print the version of this program and of the control plane
    Version(version::Version),
}

impl Command {
    /// Returns whether the output format is JSON. Problems are then printed as JSON too.
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

/// The configuration file and the flags that override it.
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

/// Runs the command that the process's arguments name, and returns its exit code.
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

/// Prints the error as a line; with JSON output, prints the control plane's problem as JSON.
fn complain(error: &CliError, as_json: bool) {
    match error {
        // The difference has been printed.
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

/// Runs a command on the main thread, and its spawned tasks on others. `up` starts programs that end when the thread that
/// started them ends, so this thread must be the main one.
fn on_runtime(command: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::system("starting", error))?;
    let outcome = runtime.block_on(command);
    // A blocking task, such as a name lookup, must not delay the exit.
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
