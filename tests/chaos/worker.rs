//! A worker into which faults are injected, and which compares its requests in flight with its bound.

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

use crate::{bound::Bound, outcomes::End, plan::WorkerFault, run::Run, spans::Spans};
use slotway_test_site::{WorkerBody, fresh_address};

/// Pause before an error in the middle of an answer, so that the first half is sent.
const HALF_IS_SENT: Duration = Duration::from_millis(20);
/// Time within which Envoy notices a closed connection after the worker has recovered.
const FOUND_CLOSED_LATE: Duration = Duration::from_millis(250);

/// A worker and its observations.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) address: SocketAddr,
    pub(crate) bound: Bound,
    /// Periods during which its port was closed.
    pub(crate) dead: Spans,
    /// Time of a request without a fault.
    delay: Duration,
    fault: watch::Sender<Option<WorkerFault>>,
    /// Whether it holds its answers back, to show that all slots are usable.
    holds: watch::Sender<bool>,
    accept: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    /// Creates a worker without starting it.
    pub(crate) fn new(index: usize, capacity: u32, delay: Duration) -> Self {
        Self {
            index,
            address: fresh_address(),
            bound: Bound::new(capacity),
            dead: Spans::default(),
            delay,
            fault: watch::Sender::new(None),
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

    /// Injects a fault.
    pub(crate) async fn inject(&self, fault: WorkerFault) {
        if fault == WorkerFault::Dead {
            self.dead.begin();
            let accept = self.accept.lock().unwrap().take();
            if let Some(accept) = accept {
                accept.abort();
                let _ = accept.await;
            }
        }
        self.fault.send_replace(Some(fault));
    }

    /// Ends the fault.
    pub(crate) async fn recover(&self, run: &Arc<Run>) {
        let fault = self.fault.send_replace(None);
        if fault == Some(WorkerFault::Dead) {
            self.start(run).await;
            self.dead.end(Instant::now() + FOUND_CLOSED_LATE);
        }
    }

    /// Holds answers back, or releases them.
    pub(crate) fn hold(&self, holds: bool) {
        self.holds.send_replace(holds);
    }
}

async fn accept(listener: TcpListener, run: Arc<Run>, index: usize) {
    // Aborting this task drops the set, and the set closes the connections.
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
    // An error means that the coordinator closed the connection, or that a fault broke it.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// A request in flight. It is dropped before the last byte of the answer is sent: after that byte the coordinator may send the next request.
struct InFlight<'a> {
    run: &'a Run,
    worker: &'a Worker,
    id: u64,
}

impl<'a> InFlight<'a> {
    fn new(run: &'a Run, worker: &'a Worker, id: u64) -> Self {
        if let Err((current, bound)) = worker.bound.enter() {
            run.violations.add(format!(
                "worker {} has {current} requests in flight, its capacity is {bound} (at {:.3} s, request {id:#x})",
                worker.index,
                run.elapsed().as_secs_f64(),
            ));
        }
        if !run.outcomes.arrive(id, worker.index) {
            run.violations
                .add(format!("request {id:#x} reached a worker twice, now worker {}", worker.index));
        }
        Self { run, worker, id }
    }

    fn end(self, end: End) {
        self.run.outcomes.end(self.id, end);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        // Has no effect if an end was recorded before.
        self.run.outcomes.end(self.id, End::Gone);
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
    let in_flight = InFlight::new(run, worker, id);
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let fault = *worker.fault.borrow();
    tokio::time::sleep(worker.delay).await;
    match fault {
        Some(WorkerFault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(WorkerFault::Hung) => {
            let _ = worker.fault.subscribe().wait_for(|fault| *fault != Some(WorkerFault::Hung)).await;
        }
        Some(WorkerFault::ResetsHead) => {
            in_flight.end(End::ResetHead);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Some(WorkerFault::ResetsBody) => {
            in_flight.end(End::ResetBody);
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(async move {
                let _ = sender.send(Ok(Frame::data(Bytes::from_static(b"half of an answ")))).await;
                tokio::time::sleep(HALF_IS_SENT).await;
                let _ = sender.send(Err(io::ErrorKind::ConnectionReset.into())).await;
            });
            return Ok(Response::new(WorkerBody::Pieces(receiver)));
        }
        Some(WorkerFault::Dead) | None => {}
    }
    let _ = worker.holds.subscribe().wait_for(|holds| !holds).await;
    in_flight.end(End::Answered);
    let answer = if body.is_empty() { Bytes::from(expected(id)) } else { body };
    Ok(Response::new(WorkerBody::Whole(Some(answer))))
}

/// Returns the answer to a request without a body.
pub(crate) fn expected(id: u64) -> String {
    // One in sixteen is too long for one piece.
    let times = if id.is_multiple_of(16) { 4_000 } else { 1 };
    format!("answer to {id} ").repeat(times)
}
