use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, set_parent_process_death_signal};

use super::until;

const END_WITHIN: Duration = Duration::from_secs(10);
const LOG_LINES_SHOWN: usize = 60;

/// A process under test, with its own process group and its output in a file. Ends with its owner; a test that fails
/// shows the end of the output.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it writes goes to `directory/name.log`.
    pub(crate) fn start(name: &str, mut command: Command, directory: &Path) -> Self {
        let log = directory.join(format!("{name}.log"));
        // A second start of one name begins anew: nobody takes the first one's words for its.
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
        // SAFETY: one system call between fork and exec, which allocates nothing and takes no lock.
        unsafe {
            // Nothing is left behind where the tests themselves are ended. The signal comes when the thread ends that calls this,
            // which is the test's own.
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// What it has written.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until it has written `text`.
    pub(crate) async fn says(&mut self, text: &str, within: Duration) {
        let what = format!("{} says {text:?}", self.name);
        until(&what, within, async || {
            let said = self.output().contains(text);
            if !said && let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended with {status} before it said {text:?}", self.name);
            }
            said.then_some(())
        })
        .await;
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal to the process alone, as `kill` does.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Sends a signal to the whole process group, as a terminal does on Ctrl-C.
    pub(crate) fn signal_group(&self, signal: Signal) {
        kill_process_group(self.pid(), signal).unwrap();
    }

    /// How it ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self, within: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let child = &mut self.child;
        until(&what, within, async || child.try_wait().unwrap()).await
    }

    fn end(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        let _ = kill_process(self.pid(), Signal::TERM);
        let started = Instant::now();
        while started.elapsed() < END_WITHIN {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        eprintln!("{} did not end within {END_WITHIN:?} of SIGTERM", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        // Whatever it has left behind.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
        if thread::panicking() {
            let output = self.output();
            let lines: Vec<&str> = output.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("--- {} ({}), last lines:\n{}\n---", self.name, self.log.display(), shown.join("\n"));
        }
    }
}
