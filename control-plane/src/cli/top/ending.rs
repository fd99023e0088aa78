use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::error::Error;

/// Tells once somebody asks the process to end from outside; what is typed comes as keys.
///
/// # Errors
/// [`Error::System`].
pub(super) fn ending() -> Result<mpsc::Receiver<()>, Error> {
    let (sender, receiver) = mpsc::channel(1);
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind)
            .map_err(|error| Error::System { doing: "waiting for signals", reason: error.to_string() })?;
        let sender = sender.clone();
        tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(()).await.is_ok() {} });
    }
    Ok(receiver)
}
