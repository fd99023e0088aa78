//! The commands.

mod audit;
mod bootstrap;
mod client;
mod config;
mod get;
mod open_files;
mod output;
mod running;
mod serve;
mod up;
mod xds;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use self::output::say;
use crate::{
    config::{Config, Overrides, load},
    error::Error,
};

/// A queue of free worker slots in Envoy, and its control plane.
#[derive(Debug, Parser)]
#[command(name = "slotway", version, disable_help_subcommand = true)]
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
    /// Show what a running control plane knows
    Get {
        #[command(subcommand)]
        what: get::Get,
    },
    /// Show what was changed, newest first: who, when, what it was and what it became
    Audit(audit::Audit),
    /// Be a node of xDS oneself
    Xds {
        #[command(subcommand)]
        command: xds::Xds,
    },
    /// Print the version
    Version,
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
    fn load(&self) -> Result<Config, Error> {
        let mut config = load(&self.file)?;
        self.overrides.apply(&mut config)?;
        config.check_addresses().map_err(|(setting, reason)| Error::Setting { setting, reason })?;
        Ok(config)
    }
}

/// Runs the command of the process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match execute(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("slotway: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn execute(command: Command) -> Result<(), Error> {
    match command {
        Command::Version => {
            say(format_args!("slotway {}", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
        Command::Config { command } => command.run(),
        Command::Bootstrap(bootstrap) => bootstrap.run(),
        Command::Audit(audit) => on_runtime(audit.run()),
        Command::Get { what } => on_runtime(what.run()),
        Command::Xds { command } => on_runtime(command.run()),
        Command::Serve(serve) => on_runtime(serve.run()),
        Command::Up(up) => on_runtime(up.run()),
    }
}

/// Runs a command on the main thread, and what it spawns on others. `up` starts programs that end when the thread that
/// started them ends, so this thread must be the main one.
fn on_runtime(command: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::System { doing: "starting", reason: error.to_string() })?;
    let outcome = runtime.block_on(command);
    // A blocking task (a name look-up) must not hold up the end.
    runtime.shutdown_background();
    outcome
}
