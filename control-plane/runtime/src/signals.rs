use std::fs::File;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::RuntimeError;

/// What the system asks of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To end; the signal's name.
    Stop(&'static str),
    /// To read the configuration file again.
    Reload,
}

/// The signals that are for us.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    /// Whether there was a terminal at the start.
    had_terminal: bool,
}

impl Signals {
    /// Takes the signals over: from now on they end nothing by themselves.
    ///
    /// # Errors
    /// [`RuntimeError::System`].
    pub fn listen() -> Result<Self, RuntimeError> {
        let listen = |kind| signal(kind).map_err(|error| RuntimeError::system("waiting for signals", error));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
            had_terminal: has_terminal(),
        })
    }

    /// Waits for what is asked next. The same may be asked again.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop("SIGINT"),
            _ = self.terminate.recv() => Asked::Stop("SIGTERM"),
            _ = self.hang_up.recv() => self.hung_up(),
        }
    }

    /// SIGHUP means two things: that the terminal was closed, or that the file is to be read again. The system takes a closed
    /// terminal from its processes before it sends the signal.
    fn hung_up(&self) -> Asked {
        if self.had_terminal && !has_terminal() { Asked::Stop("SIGHUP") } else { Asked::Reload }
    }

    /// Waits until somebody asks the process to end. That the file is to be read again is kept for [`Self::next`].
    pub async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Whether the process has a controlling terminal.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}
