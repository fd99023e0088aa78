//! A child process that always ends together with this process.

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

use slotway_runtime::RuntimeError;

use crate::CoordinatorsError;

/// Time between SIGTERM and SIGKILL.
const STOP_WITHIN: Duration = Duration::from_secs(3);
/// Longest part of a log that an error shows, in bytes.
const TAIL_BYTES: u64 = 2_000;
/// Most lines of it.
const TAIL_LINES: usize = 12;

/// A program to run.
#[derive(Debug, Clone)]
pub struct ChildProgram {
    /// The name for messages.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The file for its output; a new start begins a new file.
    pub log: PathBuf,
}

/// A running program. Dropping it kills the program.
pub struct ChildProcess {
    program: ChildProgram,
    child: Child,
    /// Open while this process lives: a program that reads its standard input notices the end of this process.
    _stdin: Option<ChildStdin>,
}

impl ChildProgram {
    /// Starts the program. The calling thread must live as long as this process, in practice the main thread: the operating system
    /// ends the program when the thread that started it ends.
    ///
    /// # Errors
    /// [`RuntimeError::File`] for the log, [`CoordinatorsError::Child`] if it cannot be started.
    pub fn start(&self) -> Result<ChildProcess, CoordinatorsError> {
        let log = File::create(&self.log).map_err(|error| RuntimeError::file(&self.log, error))?;
        let errors = log.try_clone().map_err(|error| RuntimeError::file(&self.log, error))?;
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(log).stderr(errors).kill_on_drop(true);
        // Ctrl-C in a terminal reaches the whole process group; this process ends its programs itself, in order.
        command.process_group(0);
        // SAFETY: between fork and exec only calls that are safe in a signal handler are allowed; this is one system
        // call, which allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        let mut child = command.spawn().map_err(|error| CoordinatorsError::Child {
            program: self.name.clone(),
            how: format!("cannot be started from {}: {error}", self.path.display()),
            log: None,
            tail: String::new(),
        })?;
        Ok(ChildProcess { program: self.clone(), _stdin: child.stdin.take(), child })
    }
}

impl ChildProcess {
    /// Waits until it ends.
    ///
    /// # Errors
    /// [`RuntimeError::System`] if the operating system does not report the exit status.
    pub async fn ended(&mut self) -> Result<ExitStatus, CoordinatorsError> {
        // `Child::wait` closes the standard input first, but it was taken out of the child.
        self.child.wait().await.map_err(|error| system(&error))
    }

    /// Returns its exit status, if it has ended.
    ///
    /// # Errors
    /// [`RuntimeError::System`] if the operating system does not report the exit status.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>, CoordinatorsError> {
        self.child.try_wait().map_err(|error| system(&error))
    }

    /// Ends it with SIGTERM, and after 3 s with SIGKILL.
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

    /// Returns the error that it ended, with the end of its log.
    #[must_use]
    pub fn died(&self, status: ExitStatus) -> CoordinatorsError {
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        };
        self.failed(how)
    }

    /// Returns the error that it failed, with the end of its log. `how` follows its name.
    #[must_use]
    pub fn failed(&self, how: String) -> CoordinatorsError {
        let ChildProgram { name, log, .. } = &self.program;
        CoordinatorsError::Child { program: name.clone(), how, log: Some(log.clone()), tail: tail(log) }
    }

    /// Returns its name for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.program.name
    }
}

fn system(error: &std::io::Error) -> CoordinatorsError {
    RuntimeError::system("watching a program", error).into()
}

/// Returns the last lines of a file; an empty text if it cannot be read.
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
