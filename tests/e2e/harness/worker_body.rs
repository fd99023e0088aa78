use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::mpsc;

/// How many requests a worker has in hand.
#[derive(Debug, Default)]
pub(crate) struct Concurrency {
    current: AtomicUsize,
    highest: AtomicUsize,
    total: AtomicUsize,
}

impl Concurrency {
    /// Counts a request until the guard goes.
    pub(crate) fn enter(self: &Arc<Self>) -> InHand {
        let current = self.current.fetch_add(1, Ordering::SeqCst) + 1;
        self.highest.fetch_max(current, Ordering::SeqCst);
        self.total.fetch_add(1, Ordering::SeqCst);
        InHand(Arc::clone(self))
    }

    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::SeqCst)
    }

    pub(crate) fn highest(&self) -> usize {
        self.highest.load(Ordering::SeqCst)
    }

    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::SeqCst)
    }

    /// Forgets the highest so far.
    pub(crate) fn forget_highest(&self) {
        self.highest.store(self.current(), Ordering::SeqCst);
    }
}

/// One request in hand. It goes before the last byte of the answer does: a coordinator that has seen the whole answer
/// may send the next request, so whoever counts later would count that coordinator's next request too early.
#[derive(Debug)]
pub(crate) struct InHand(Arc<Concurrency>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.current.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The body of a worker's answer.
pub(crate) enum WorkerBody {
    /// All of it, at once.
    Whole(Option<Bytes>),
    /// Piece by piece; an error closes the connection.
    Pieces(mpsc::Receiver<io::Result<Frame<Bytes>>>),
}

impl Body for WorkerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces) => pieces.poll_recv(cx),
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Pieces(_) => hyper::body::SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }
}
