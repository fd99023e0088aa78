use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;
use tokio::sync::Notify;

/// Most that may wait for a listener, in bytes and in pieces. One piece may be larger: the first figures of very many workers.
const BYTES_MAX: usize = 4 * 1024 * 1024;
const PIECES_MAX: usize = 1_024;

/// What a listener has yet to read. The bytes are shared with the outboxes of others.
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
    /// Adds a piece. Whoever has not read so much is let go of: then nothing comes any more, not even what waits.
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

    /// Ends it, once what waits is read.
    pub(super) fn end(&self) {
        self.lock().is_closed = true;
        self.news.notify_one();
        self.closes.notify_waiters();
    }

    /// Whether it has ended.
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

    /// The next piece, once there is one; none at its end. For one reader.
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
    async fn what_is_pushed_is_read_in_order_and_the_end_comes_last() {
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
    async fn whoever_reads_too_slowly_is_let_go_of() {
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
    async fn one_piece_may_be_large_and_whoever_reads_makes_room() {
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
