//! A control plane that runs, and what signals ask of it.

use std::{path::PathBuf, process, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::{Configured, output::say};
use crate::{
    cli::CliError,
    config::Config,
    lifecycle::{Asked, Notifier, Signals},
    reload::{Reloadable, Reloader},
    telemetry::Telemetry,
};

/// Ended by a second signal: 128 and the number of SIGTERM, as a shell has it.
const ENDED_AT_ONCE: i32 = 143;

/// Takes signals, tells the service manager, and reads the configuration file again.
pub(super) struct Running<'a> {
    configured: &'a Configured,
    signals: Signals,
    notifier: Notifier,
    reloader: Reloader,
    /// Logs and traces for as long as it lives.
    _telemetry: Telemetry,
}

impl<'a> Running<'a> {
    /// For a control plane with this configuration and this code of the filter.
    ///
    /// # Errors
    /// [`CliError::System`].
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

    /// Does `start`, unless somebody asks the process to end meanwhile: then nothing.
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

    /// Tells that all is served, and does what is asked until somebody asks the process to end.
    pub(super) async fn serve(&mut self, reloadable: &Reloadable) {
        self.notifier.ready("serving");
        let every = self.notifier.alive_every();
        let mut alive = interval(every.unwrap_or(Duration::from_secs(3_600)));
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                asked = self.signals.next() => match asked {
                    Asked::Stop(signal) => return self.says_stopping(signal),
                    Asked::Reload => {
                        self.notifier.reloading();
                        let status = self.reloader.reload(reloadable, || self.configured.load()).await;
                        self.notifier.ready(status);
                    }
                },
                _ = alive.tick() => if every.is_some() { self.notifier.alive() },
            }
        }
    }

    /// Tells the service manager that it ends, where something else than a signal ends it.
    pub(super) fn stopping(&self) {
        self.notifier.stopping();
    }

    /// Ends in order. A second signal ends the process at once, and what it started with it.
    pub(super) async fn end(mut self, end: impl Future<Output = ()>) {
        tokio::select! {
            () = end => {}
            signal = self.signals.stop() => {
                say(format_args!("slotway: ending at once ({signal})"));
                process::exit(ENDED_AT_ONCE);
            }
        }
    }

    /// The settings in force for the end.
    pub(super) fn shutdown(&self) -> crate::lifecycle::ShutdownSettings {
        self.reloader.config().shutdown
    }

    fn says_stopping(&self, signal: &str) {
        say(format_args!("slotway: stopping ({signal})"));
        self.notifier.stopping();
    }
}
