use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use tokio::task::JoinSet;

use crate::{ClientConnection, ClientProtocol, SOON, get, until};

/// Clients that each send one request after another on their own connection, until [`ClientLoad::finish`].
pub struct ClientLoad {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: JoinSet<Tally>,
}

type Sent = Request<Full<Bytes>>;

/// The answers that the clients received.
#[derive(Debug, Default)]
pub struct Tally {
    /// Number of answers by status and reason of refusal: `200`, `503 wait_timeout`.
    pub answers: BTreeMap<String, usize>,
    /// Errors of requests without an answer.
    pub errors: Vec<String>,
}

impl Tally {
    /// Asserts that every request was answered with 200.
    #[track_caller]
    pub fn assert_all_ok(&self) {
        assert!(self.errors.is_empty(), "{self:?}");
        assert_eq!(self.answers.keys().map(String::as_str).collect::<Vec<_>>(), ["200"], "{self:?}");
    }

    fn add(&mut self, other: Self) {
        for (answer, count) in other.answers {
            *self.answers.entry(answer).or_default() += count;
        }
        self.errors.extend(other.errors);
    }
}

impl ClientLoad {
    /// Starts `clients` clients.
    pub fn start(address: SocketAddr, clients: usize) -> Self {
        Self::start_with(address, clients, |n| get(&format!("/load/{n}")))
    }

    /// Starts `clients` clients. Client n sends `request(n)`.
    pub fn start_with(address: SocketAddr, clients: usize, request: fn(usize) -> Sent) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let tasks =
            (0..clients).map(|n| client(n, address, request, Arc::clone(&stop), Arc::clone(&answered)));
        Self { clients: tasks.collect(), stop, answered }
    }

    /// Returns the number of requests answered so far.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until `count` more requests have been answered.
    pub async fn passes(&self, count: usize) {
        let goal = self.answered() + count;
        until("the load goes on", 3 * SOON, async || (self.answered() >= goal).then_some(())).await;
    }

    /// Lets each client finish its current request, and returns their answers.
    pub async fn finish(mut self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        while let Some(client) = self.clients.join_next().await {
            tally.add(client.unwrap());
        }
        tally
    }
}

async fn client(
    n: usize,
    address: SocketAddr,
    request: fn(usize) -> Sent,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        let mut open = match connection.take() {
            Some(open) => open,
            None => match ClientConnection::open(address, ClientProtocol::Http1).await {
                Ok(open) => open,
                Err(error) => {
                    tally.errors.push(format!("client {n} cannot connect: {error}"));
                    break;
                }
            },
        };
        match open.send(request(n)).await {
            Ok(answer) => {
                let what = match answer.status.as_u16() {
                    503 if answer
                        .headers
                        .get("content-type")
                        .is_some_and(|is| is == "application/problem+json") =>
                    {
                        format!("503 {}", answer.reason())
                    }
                    200 => "200".to_owned(),
                    // From Envoy or the worker.
                    status => format!("{status} {}", answer.text()),
                };
                *tally.answers.entry(what).or_default() += 1;
                connection = Some(open);
            }
            Err(error) => tally.errors.push(format!("client {n}: {error}")),
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
    tally
}
