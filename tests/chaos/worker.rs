//! A worker that can be made unwell, and that holds every request against its bound.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
};

use crate::{bound::Bound, fates::End, plan::Malady, run::Run, spans::Spans};
use slotway_test_site::{WorkerBody, fresh_address};

/// An error right behind half an answer would be found before the half is sent.
const HALF_IS_SENT: Duration = Duration::from_millis(20);
/// A connection that the worker's end has closed may be found closed a little after the worker is back.
const FOUND_CLOSED_LATE: Duration = Duration::from_millis(250);

/// A worker and what is true about it.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) address: SocketAddr,
    pub(crate) bound: Bound,
    /// When its port was closed.
    pub(crate) dead: Spans,
    /// What a request costs it when it is well.
    delay: Duration,
    malady: watch::Sender<Option<Malady>>,
    /// The end proves that every slot is there: nothing is answered meanwhile.
    holds: watch::Sender<bool>,
    accept: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    /// A worker that is not started yet.
    pub(crate) fn new(index: usize, capacity: u32, delay: Duration) -> Self {
        Self {
            index,
            address: fresh_address(),
            bound: Bound::new(capacity),
            dead: Spans::default(),
            delay,
            malady: watch::Sender::new(None),
            holds: watch::Sender::new(false),
            accept: Mutex::new(None),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens its port.
    pub(crate) async fn start(&self, run: &Arc<Run>) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let accept = tokio::spawn(accept(listener, Arc::clone(run), self.index));
        *self.accept.lock().unwrap() = Some(accept);
    }

    /// Makes it unwell.
    pub(crate) async fn fall_ill(&self, malady: Malady) {
        if malady == Malady::Dead {
            self.dead.begin();
            let accept = self.accept.lock().unwrap().take();
            if let Some(accept) = accept {
                accept.abort();
                let _ = accept.await;
            }
        }
        self.malady.send_replace(Some(malady));
    }

    /// Makes it well.
    pub(crate) async fn recover(&self, run: &Arc<Run>) {
        let malady = self.malady.send_replace(None);
        if malady == Some(Malady::Dead) {
            self.start(run).await;
            self.dead.end(Instant::now() + FOUND_CLOSED_LATE);
        }
    }

    /// Whether requests stay in hand until they are let go.
    pub(crate) fn hold(&self, holds: bool) {
        self.holds.send_replace(holds);
    }
}

async fn accept(listener: TcpListener, run: Arc<Run>, index: usize) {
    // Goes with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        connections.spawn(serve(stream, Arc::clone(&run), index));
    }
}

async fn serve(stream: TcpStream, run: Arc<Run>, index: usize) {
    let service = service_fn(move |request| {
        let run = Arc::clone(&run);
        async move { answer(request, &run, index).await }
    });
    // An error is a connection that the coordinator closed, or one that a malady broke.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// One request in hand. Gone before the last byte of the answer: a coordinator that has seen the whole answer may send the next request.
struct InHand<'a> {
    run: &'a Run,
    worker: &'a Worker,
    id: u64,
}

impl<'a> InHand<'a> {
    fn new(run: &'a Run, worker: &'a Worker, id: u64) -> Self {
        if let Err((current, bound)) = worker.bound.enter() {
            run.violations.add(format!(
                "worker {} has {current} requests in hand, its capacity is {bound} (at {:.3} s, request {id:#x})",
                worker.index,
                run.elapsed().as_secs_f64(),
            ));
        }
        if !run.fates.arrive(id, worker.index) {
            run.violations
                .add(format!("request {id:#x} reached a worker twice, now worker {}", worker.index));
        }
        Self { run, worker, id }
    }

    fn end(self, end: End) {
        self.run.fates.end(self.id, end);
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        // The first end counts: this one only where there was none.
        self.run.fates.end(self.id, End::Gone);
        self.worker.bound.leave();
    }
}

async fn answer(
    request: Request<Incoming>,
    run: &Arc<Run>,
    index: usize,
) -> io::Result<Response<WorkerBody>> {
    let worker = &run.workers[index];
    let id = request.uri().path().rsplit('/').next().and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| io::Error::other("not a request of this run"))?;
    let in_hand = InHand::new(run, worker, id);
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let malady = *worker.malady.borrow();
    tokio::time::sleep(worker.delay).await;
    match malady {
        Some(Malady::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(Malady::Hung) => {
            let _ = worker.malady.subscribe().wait_for(|malady| *malady != Some(Malady::Hung)).await;
        }
        Some(Malady::ResetsHead) => {
            in_hand.end(End::ResetHead);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Some(Malady::ResetsBody) => {
            in_hand.end(End::ResetBody);
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(async move {
                let _ = sender.send(Ok(Frame::data(Bytes::from_static(b"half of an answ")))).await;
                tokio::time::sleep(HALF_IS_SENT).await;
                let _ = sender.send(Err(io::ErrorKind::ConnectionReset.into())).await;
            });
            return Ok(Response::new(WorkerBody::Pieces(receiver)));
        }
        Some(Malady::Dead) | None => {}
    }
    let _ = worker.holds.subscribe().wait_for(|holds| !holds).await;
    in_hand.end(End::Answered);
    let answer = if body.is_empty() { Bytes::from(expected(id)) } else { body };
    Ok(Response::new(WorkerBody::Whole(Some(answer))))
}

/// What a request without a body is answered with.
pub(crate) fn expected(id: u64) -> String {
    // One in sixteen is too long for one piece.
    let times = if id.is_multiple_of(16) { 4_000 } else { 1 };
    format!("answer to {id} ").repeat(times)
}
