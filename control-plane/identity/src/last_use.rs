//! Queues the uses of sessions and tokens whose times are to be stored.

use tokio::sync::{Mutex, MutexGuard, mpsc};

/// Uses in the queue. A use beyond that is stored with the next one of the same session or token.
const QUEUE_MAX: usize = 1_024;

/// A session or token that a request has just used.
#[derive(Debug)]
pub(crate) enum UsedCredential {
    /// A session, by its key.
    Session(String),
    /// A token, by its name.
    Token(String),
}

/// The queue of uses to store.
pub(crate) struct LastUses {
    sender: mpsc::Sender<UsedCredential>,
    receiver: Mutex<mpsc::Receiver<UsedCredential>>,
}

impl Default for LastUses {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        Self { sender, receiver: Mutex::new(receiver) }
    }
}

impl LastUses {
    /// Queues a use, unless the queue is full.
    pub(crate) fn record(&self, used: UsedCredential) {
        let _ = self.sender.try_send(used);
    }

    /// Locks the receiving end of the queue.
    pub(crate) async fn receiver(&self) -> MutexGuard<'_, mpsc::Receiver<UsedCredential>> {
        self.receiver.lock().await
    }
}
