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

/// The number of requests in flight at a worker.
#[derive(Debug, Default)]
pub(crate) struct Concurrency {
    current: AtomicUsize,
    highest: AtomicUsize,
    total: AtomicUsize,
}

impl Concurrency {
    /// Counts a request until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlightRequest {
        let current = self.current.fetch_add(1, Ordering::SeqCst) + 1;
        self.highest.fetch_max(current, Ordering::SeqCst);
        self.total.fetch_add(1, Ordering::SeqCst);
        InFlightRequest(Arc::clone(self))
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

    /// Resets the highest number.
    pub(crate) fn forget_highest(&self) {
        self.highest.store(self.current(), Ordering::SeqCst);
    }
}

/// One request in flight. It is dropped before the last byte of the answer is sent: after that byte the coordinator may
/// send the next request, which would be counted beside this one.
#[derive(Debug)]
pub(crate) struct InFlightRequest(Arc<Concurrency>);

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.0.current.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The body of a worker's answer.
pub enum WorkerBody {
    /// The complete body.
    Whole(Option<Bytes>),
    /// A stream of frames. An error closes the connection.
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
