use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::commands::CliError;

/// Returns a receiver of signals that ask the process to end. Typed keys do not arrive here.
///
/// # Errors
/// [`CliError::Runtime`].
pub(super) fn ending() -> Result<mpsc::Receiver<()>, CliError> {
    let (sender, receiver) = mpsc::channel(1);
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind).map_err(|error| CliError::system("waiting for signals", error))?;
        let sender = sender.clone();
        tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(()).await.is_ok() {} });
    }
    Ok(receiver)
}
