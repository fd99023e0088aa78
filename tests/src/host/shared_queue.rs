use std::collections::{BTreeMap, VecDeque};

use crate::host::{Status, VmThread};

/// Shared queues: first in, first out, named within a `vm_id` (`shared_queue.cc` of proxy-wasm-cpp-host). The wake-up of
/// a queue goes to the context that registered it last.
#[derive(Debug, Clone, Default)]
pub struct SharedQueues {
    tokens: BTreeMap<(String, Vec<u8>), u32>,
    queues: BTreeMap<u32, Queue>,
    last_token: u32,
}

#[derive(Debug, Clone)]
struct Queue {
    place: VmThread,
    context: u32,
    messages: VecDeque<Vec<u8>>,
}

impl SharedQueues {
    /// Makes the queue if there is none, and makes `context` at `place` the one that its wake-ups go to. What is in the
    /// queue stays. Returns its token.
    pub fn register(&mut self, vm_id: &str, name: &[u8], place: VmThread, context: u32) -> u32 {
        let key = (vm_id.to_owned(), name.to_vec());
        let token = *self.tokens.entry(key).or_insert_with(|| {
            self.last_token += 1;
            self.last_token
        });
        let queue =
            self.queues.entry(token).or_insert_with(|| Queue { place, context, messages: VecDeque::new() });
        (queue.place, queue.context) = (place, context);
        token
    }

    /// Returns which context is woken by a message in the queue of this number.
    pub(crate) fn wakes_by(&self, token: u32) -> Option<(VmThread, u32)> {
        self.queues.get(&token).map(|queue| (queue.place, queue.context))
    }

    /// Returns the name of a queue.
    pub(crate) fn name(&self, token: u32) -> Option<&[u8]> {
        self.tokens.iter().find(|(_, have)| **have == token).map(|((_, name), _)| name.as_slice())
    }

    /// Returns the token of a queue.
    #[must_use]
    pub fn resolve(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        self.tokens.get(&(vm_id.to_owned(), name.to_vec())).copied()
    }

    /// Puts `message` at the end and says who is to be woken.
    ///
    /// # Errors
    /// [`Status::NotFound`] if there is no such queue.
    pub fn enqueue(&mut self, token: u32, message: &[u8]) -> Result<(VmThread, u32), Status> {
        let queue = self.queues.get_mut(&token).ok_or(Status::NotFound)?;
        queue.messages.push_back(message.to_vec());
        Ok((queue.place, queue.context))
    }

    /// Takes the first message.
    ///
    /// # Errors
    /// [`Status::NotFound`] if there is no such queue, [`Status::Empty`] if there is nothing in it.
    pub fn dequeue(&mut self, token: u32) -> Result<Vec<u8>, Status> {
        let queue = self.queues.get_mut(&token).ok_or(Status::NotFound)?;
        queue.messages.pop_front().ok_or(Status::Empty)
    }

    /// Returns the number of messages in a queue; 0 if it does not exist.
    #[must_use]
    pub fn len(&self, token: u32) -> usize {
        self.queues.get(&token).map_or(0, |queue| queue.messages.len())
    }

    /// Returns whether all queues are empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.values().all(|queue| queue.messages.is_empty())
    }
}
