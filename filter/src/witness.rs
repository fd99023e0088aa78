//! The witness: the same module as an access logger of Envoy, in a VM of its own.
//!
//! When a lane has died, Envoy does not call the filter at the end of its streams. But Envoy writes its access log for them,
//! and an access logger may be a module too. So Envoy calls the witness for streams that did not end well and still have a
//! mark. The witness sends the mark to the lane that recovers dead lanes. The control plane configures the witness, with an
//! access-log filter that lets no other streams through.
//!
//! A stream's own lane hears of its end before any access logger (seen with Envoy 1.40), and removes the mark of a stream
//! that ended well.

use crate::{abi::LogLevel, host::Host, mark, recovery::ENDED_REQUESTS_QUEUE};

/// The plugin configuration that makes a VM the witness instead of a lane.
pub(crate) const CONFIGURATION: &[u8] = b"witness";

/// The witness.
#[derive(Debug)]
pub(crate) struct Witness<H> {
    host: H,
    queue: Option<u32>,
}

impl<H: Host> Witness<H> {
    pub(crate) fn new(host: H) -> Self {
        Self { host, queue: None }
    }

    /// Sends the mark of the current stream, which has ended.
    pub(crate) fn on_stream_end(&mut self) {
        if let Some(mark) = self.host.property(&[mark::PROPERTY]).filter(|mark| !mark.is_empty()) {
            self.send(&mark);
        }
    }

    /// Sends a mark.
    pub(crate) fn send(&mut self, mark: &[u8]) {
        if self.queue.is_none() {
            // Registering creates a queue that does not exist yet, for the lane that will recover dead lanes.
            let queue = self.host.resolve_queue(ENDED_REQUESTS_QUEUE);
            self.queue = queue.or_else(|_| self.host.register_queue(ENDED_REQUESTS_QUEUE)).ok();
        }
        let Some(queue) = self.queue else { return };
        // Twice: a lane that takes the first message may die before it has noted it. Noting a mark twice changes nothing.
        let sent = self.host.enqueue(queue, mark).and_then(|()| self.host.enqueue(queue, mark));
        if let Err(error) = sent {
            self.queue = None;
            let text = format!("slotway: the witness cannot send the end of a request: {error}");
            self.host.log(LogLevel::Error, &text);
        }
    }
}
