//! A running control plane: signals, service manager, reloads.

use std::{path::PathBuf, process, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::{Configured, output::say};
use crate::commands::CliError;
use crate::config::Config;
use crate::reload::{Reloadable, Reloader};
use slotway_runtime::telemetry::Telemetry;
use slotway_runtime::{Notifier, SignalRequest, Signals};

/// The exit code after a second signal: 128 plus the number of SIGTERM, as in shells.
const ENDED_AT_ONCE: i32 = 143;

/// Handles signals, notifies the service manager, and reloads the configuration file.
pub(super) struct Running<'a> {
    configured: &'a Configured,
    signals: Signals,
    notifier: Notifier,
    reloader: Reloader,
    /// Keeps logs and traces alive.
    _telemetry: Telemetry,
}

impl<'a> Running<'a> {
    /// Prepares a control plane with this configuration and this filter module.
    ///
    /// # Errors
    /// [`CliError::Runtime`].
    pub(super) fn new(
        configured: &'a Configured,
        config: &Config,
        filter: PathBuf,
        telemetry: Telemetry,
    ) -> Result<Self, CliError> {
        let reloader = Reloader::new(config.clone(), filter, telemetry.log.clone());
        let (signals, notifier) = (Signals::listen()?, Notifier::from_environment());
        Ok(Self { configured, signals, notifier, reloader, _telemetry: telemetry })
    }

    /// Runs `start`. Returns none if a signal asks the process to end meanwhile.
    pub(super) async fn start<T>(
        &mut self,
        start: impl Future<Output = Result<T, CliError>>,
    ) -> Result<Option<T>, CliError> {
        tokio::select! {
            started = start => started.map(Some),
            signal = self.signals.stop() => {
                self.says_stopping(signal);
                Ok(None)
            }
        }
    }

    /// Reports readiness and handles signals until one asks the process to end.
    pub(super) async fn serve(&mut self, reloadable: &Reloadable) {
        self.notifier.ready("serving");
        let every = self.notifier.alive_every();
        let mut alive = interval(every.unwrap_or(Duration::from_secs(3_600)));
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                asked = self.signals.next() => match asked {
                    SignalRequest::Stop(signal) => return self.says_stopping(signal),
                    SignalRequest::Reload => {
                        self.notifier.reloading();
                        let status = self.reloader.reload(reloadable, || self.configured.load()).await;
                        self.notifier.ready(status);
                    }
                },
                _ = alive.tick() => if every.is_some() { self.notifier.alive() },
            }
        }
    }

    /// Notifies the service manager of an end that no signal asked for.
    pub(super) fn stopping(&self) {
        self.notifier.stopping();
    }

    /// Runs the ordered shutdown. A second signal ends the process and its children at once.
    pub(super) async fn end(mut self, end: impl Future<Output = ()>) {
        tokio::select! {
            () = end => {}
            signal = self.signals.stop() => {
                say(format_args!("slotway: ending at once ({signal})"));
                process::exit(ENDED_AT_ONCE);
            }
        }
    }

    /// Returns the shutdown settings in force.
    pub(super) fn shutdown(&self) -> slotway_runtime::ShutdownSettings {
        self.reloader.config().shutdown
    }

    fn says_stopping(&self, signal: &str) {
        say(format_args!("slotway: stopping ({signal})"));
        self.notifier.stopping();
    }
}
