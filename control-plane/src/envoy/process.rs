//! A program that `slotway up` runs and takes with it, however it ends itself.

use std::{
    ffi::OsString,
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use tokio::process::{Child, ChildStdin, Command};

use crate::error::Error;

/// How long a program has to end by itself once it was asked to.
const STOP_WITHIN: Duration = Duration::from_secs(3);
/// How much of a log an error shows, in bytes.
const TAIL_BYTES: u64 = 2_000;
/// How many lines of it.
const TAIL_LINES: usize = 12;

/// What to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// What a person calls it.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Where its output goes; a new start begins a new file.
    pub log: PathBuf,
}

/// A running program. Dropping it kills it.
pub struct Process {
    program: Program,
    child: Child,
    /// Open while this process lives: a program that watches its standard input sees its end.
    _stdin: Option<ChildStdin>,
}

impl Program {
    /// Starts it. It must be called on a thread that lives as long as this process, in practice the main one: the system
    /// ends the program when the thread that started it ends.
    ///
    /// # Errors
    /// [`Error::File`] for its log, [`Error::Child`] where it cannot be started.
    pub fn start(&self) -> Result<Process, Error> {
        let log = File::create(&self.log).map_err(|error| Error::file(&self.log, error))?;
        let errors = log.try_clone().map_err(|error| Error::file(&self.log, error))?;
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(log).stderr(errors).kill_on_drop(true);
        // Ctrl-C in a terminal reaches the whole group; we end our programs ourselves, in order.
        command.process_group(0);
        // SAFETY: between fork and exec only calls that are safe in a signal handler are allowed; this is one system
        // call, which allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        let mut child = command.spawn().map_err(|error| Error::Child {
            program: self.name.clone(),
            how: format!("cannot be started from {}: {error}", self.path.display()),
            log: None,
            tail: String::new(),
        })?;
        Ok(Process { program: self.clone(), _stdin: child.stdin.take(), child })
    }
}

impl Process {
    /// Waits until it ends.
    ///
    /// # Errors
    /// [`Error::System`] where the system does not say.
    pub async fn ended(&mut self) -> Result<ExitStatus, Error> {
        // Not `Child::wait`, which closes the child's standard input first; ours was taken out, so it is the same.
        self.child.wait().await.map_err(|error| system(&error))
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// [`Error::System`] where the system does not say.
    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait().map_err(|error| system(&error))
    }

    /// Asks it to end, and ends it where it does not.
    pub async fn stop(mut self) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { return };
        if kill_process(pid, Signal::TERM).is_ok()
            && tokio::time::timeout(STOP_WITHIN, self.child.wait()).await.is_ok()
        {
            return;
        }
        let _ = self.child.kill().await;
    }

    /// The error that says that it ended, with the end of its log.
    #[must_use]
    pub fn died(&self, status: ExitStatus) -> Error {
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        };
        self.failed(how)
    }

    /// The error that says how it failed, with the end of its log.
    #[must_use]
    pub fn failed(&self, how: String) -> Error {
        let Program { name, log, .. } = &self.program;
        Error::Child { program: name.clone(), how, log: Some(log.clone()), tail: tail(log) }
    }

    /// What a person calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.program.name
    }
}

fn system(error: &std::io::Error) -> Error {
    Error::System { doing: "watching a program", reason: error.to_string() }
}

/// The last lines of a file; nothing where it cannot be read.
fn tail(file: &Path) -> String {
    let read = || {
        let mut open = File::open(file)?;
        let length = open.metadata()?.len();
        open.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        open.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
