use std::fs::File;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::RuntimeError;

/// A request of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalRequest {
    /// End the process; with the signal's name.
    Stop(&'static str),
    /// Reload the configuration file.
    Reload,
}

/// The handled signals.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    /// Whether the process had a controlling terminal at the start.
    had_terminal: bool,
}

impl Signals {
    /// Installs the handlers: from now on the signals do not end the process by themselves.
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

    /// Waits for the next request. A request may repeat.
    pub async fn next(&mut self) -> SignalRequest {
        tokio::select! {
            _ = self.interrupt.recv() => SignalRequest::Stop("SIGINT"),
            _ = self.terminate.recv() => SignalRequest::Stop("SIGTERM"),
            _ = self.hang_up.recv() => self.hung_up(),
        }
    }

    /// SIGHUP means a closed terminal or a reload. The system detaches a closed terminal from its processes before it sends the
    /// signal.
    fn hung_up(&self) -> SignalRequest {
        if self.had_terminal && !has_terminal() {
            SignalRequest::Stop("SIGHUP")
        } else {
            SignalRequest::Reload
        }
    }

    /// Waits for a request to end. A reload request is kept for [`Self::next`].
    pub async fn stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Says whether the process has a controlling terminal.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}
