use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;
use tokio::sync::Notify;

/// The maximum of unread bytes and pieces for a listener. One piece may be larger: the first figures of very many
/// workers.
const BYTES_MAX: usize = 4 * 1024 * 1024;
const PIECES_MAX: usize = 1_024;

/// The pieces that a listener has not read yet. Their bytes are shared with other outboxes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    news: Notify,
    closes: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    is_closed: bool,
}

impl Outbox {
    /// Adds a piece. If the limit is exceeded, closes the outbox and discards all unread pieces.
    pub(super) fn push(&self, piece: Bytes) {
        let mut queue = self.lock();
        if queue.is_closed {
            return;
        }
        let full = queue.pieces.len() >= PIECES_MAX || queue.bytes.saturating_add(piece.len()) > BYTES_MAX;
        if full && !queue.pieces.is_empty() {
            *queue = Queue { is_closed: true, ..Queue::default() };
            self.closes.notify_waiters();
        } else {
            queue.bytes = queue.bytes.saturating_add(piece.len());
            queue.pieces.push_back(piece);
        }
        drop(queue);
        self.news.notify_one();
    }

    /// Closes the outbox once all pieces are read.
    pub(super) fn end(&self) {
        self.lock().is_closed = true;
        self.news.notify_one();
        self.closes.notify_waiters();
    }

    /// Returns whether it is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Waits until it is closed.
    pub(super) async fn ended(&self) {
        loop {
            let closes = self.closes.notified();
            if self.is_closed() {
                return;
            }
            closes.await;
        }
    }

    /// Returns the next piece as soon as there is one; none at the end. For one reader.
    pub(super) async fn next(&self) -> Option<Bytes> {
        loop {
            {
                let mut queue = self.lock();
                if let Some(piece) = queue.pieces.pop_front() {
                    queue.bytes = queue.bytes.saturating_sub(piece.len());
                    return Some(piece);
                }
                if queue.is_closed {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: usize) -> Bytes {
        Bytes::from(vec![b'x'; bytes])
    }

    #[tokio::test]
    async fn pieces_are_read_in_order_before_the_end() {
        let outbox = Outbox::default();
        (1..=3).for_each(|bytes| outbox.push(piece(bytes)));
        outbox.end();
        outbox.push(piece(4));
        for bytes in 1..=3 {
            assert_eq!(outbox.next().await, Some(piece(bytes)));
        }
        assert_eq!(outbox.next().await, None);
    }

    #[tokio::test]
    async fn a_slow_listener_is_disconnected() {
        for (pieces, bytes) in [(PIECES_MAX, 1), (4, BYTES_MAX / 4)] {
            let outbox = Outbox::default();
            (0..pieces).for_each(|_| outbox.push(piece(bytes)));
            assert!(!outbox.is_closed());
            outbox.push(piece(1));
            assert!(outbox.is_closed());
            assert_eq!(outbox.next().await, None);
        }
    }

    #[tokio::test]
    async fn one_piece_may_be_large_and_reading_frees_space() {
        let outbox = Outbox::default();
        for _ in 0..3 {
            outbox.push(piece(2 * BYTES_MAX));
            assert_eq!(outbox.next().await, Some(piece(2 * BYTES_MAX)));
        }
        for _ in 0..2 * PIECES_MAX {
            outbox.push(piece(BYTES_MAX / 2));
            assert!(outbox.next().await.is_some());
        }
    }
}
