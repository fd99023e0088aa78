use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, set_parent_process_death_signal};

use crate::until;

const END_WITHIN: Duration = Duration::from_secs(10);
const LOG_LINES_SHOWN: usize = 60;

/// A process under test, with its own process group and its output in a file. Dropping it ends the process; if the test
/// fails, it prints the end of the output.
pub struct TestProcess {
    name: String,
    child: Child,
    log: PathBuf,
}

impl TestProcess {
    /// Starts `command` with its output in `directory/name.log`.
    pub fn start(name: &str, mut command: Command, directory: &Path) -> Self {
        let log = directory.join(format!("{name}.log"));
        // A second process of one name gets an empty log, so that `says` does not find the output of the first.
        let file = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
        // SAFETY: one system call between fork and exec, which allocates nothing and takes no lock.
        unsafe {
            // Ends the process if the test process is killed. The kernel sends the signal when the calling thread ends, which is the
            // thread of the test.
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// Returns its output so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until its output contains `text`.
    pub async fn says(&mut self, text: &str, within: Duration) {
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

    /// Returns its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal to the process, as `kill` does.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Sends a signal to its process group, as a terminal does on Ctrl-C.
    pub fn signal_group(&self, signal: Signal) {
        kill_process_group(self.pid(), signal).unwrap();
    }

    /// Returns its exit status, if it has ended.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end and returns its exit status.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
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

impl Drop for TestProcess {
    fn drop(&mut self) {
        self.end();
        // Its remaining children.
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
