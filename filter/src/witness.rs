//! The witness: the same module as an access logger of Envoy, in a VM of its own.
//!
//! A stream whose lane has died ends without a word to the filter: nobody calls a dead VM. But Envoy writes its access
//! log all the same, and a logger may be a module too. So Envoy calls the witness, for streams that ended other than
//! well and still carry a mark, and it sends the mark to the lane that looks after the dead. The control plane
//! configures it, with the access-log filter that keeps all other streams away from it.
//!
//! A stream's own lane hears of its end before any access logger does (seen with Envoy 1.40), and wipes the mark of
//! one that ended well.

use crate::{ends, host, lane::Lane, mark};

/// The plugin configuration that makes a VM the witness instead of a lane.
pub(crate) const CONFIGURATION: &[u8] = b"witness";

/// This VM's part, if it is the witness.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    queue: Option<u32>,
}

impl Lane {
    /// A stream has ended, and is to be logged.
    pub(crate) fn bear_witness(&mut self) {
        let Some(witness) = &mut self.witness else { return };
        let Some(mark) = host::property(&[mark::PROPERTY]).filter(|mark| !mark.is_empty()) else { return };
        if witness.queue.is_none() {
            // Registering makes a queue that there is not yet, for the lane that will look after the dead.
            let queue = host::resolve_queue("", ends::QUEUE);
            witness.queue = queue.or_else(|_| host::register_queue(ends::QUEUE)).ok();
        }
        // Twice, since whoever takes the word may die with it in its hands; what is noted already changes nothing.
        let told =
            witness.queue.map(|queue| host::enqueue(queue, &mark).and_then(|()| host::enqueue(queue, &mark)));
        if let Some(Err(error)) = told {
            witness.queue = None;
            self.complain("the end of a request cannot be told", &error.into());
        }
    }
}
