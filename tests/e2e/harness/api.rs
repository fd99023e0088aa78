use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use serde_json::{Value, json};

use super::{Answer, SOON, send};

/// Reports come every 250 ms or so.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The control plane's REST.
pub(crate) struct Api {
    address: SocketAddr,
    token: String,
}

/// One worker of `GET /coordinator/workers`; figures that nobody has reported are `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkerFigures {
    pub(crate) worker: String,
    pub(crate) capacity: Option<u64>,
    pub(crate) in_flight: Option<u64>,
    pub(crate) free: Option<u64>,
    /// Requests that wait in the worker's pool.
    pub(crate) waiting: Option<u64>,
    pub(crate) state: String,
    /// The newest generation of the configuration.
    pub(crate) generation_wanted: u64,
    /// The oldest one that is in force at a coordinator that reports.
    pub(crate) generation_in_force: Option<u64>,
}

impl WorkerFigures {
    /// What `/coordinator/workers` answers.
    pub(crate) fn of(answer: &Answer) -> Vec<Self> {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let list = answer.json();
        let number = |entry: &Value, name: &str| entry[name].as_u64();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let figures = |entry: &Value| Self {
            worker: text(entry, "worker"),
            capacity: number(entry, "capacity"),
            in_flight: number(entry, "in_flight"),
            free: number(entry, "free"),
            waiting: number(entry, "waiting"),
            state: text(entry, "state"),
            generation_wanted: number(entry, "generation_wanted").unwrap_or_default(),
            generation_in_force: number(entry, "generation_in_force"),
        };
        list.as_array().expect("a list of workers").iter().map(figures).collect()
    }

    /// Takes requests, and has every slot at home.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == "active" && self.free == self.capacity && self.in_flight == Some(0)
    }
}

impl Api {
    pub(crate) fn new(address: SocketAddr, token: &str) -> Self {
        Self { address, token: token.to_owned() }
    }

    /// Any request, with the admin token.
    pub(crate) async fn request(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        self.try_request(method, path, body).await.unwrap()
    }

    /// The same where the control plane may be away.
    pub(crate) async fn try_request(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> io::Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        send(self.address, request).await
    }

    /// A read, without the token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.address, super::get(path)).await.unwrap()
    }

    /// Adds workers, or changes their capacities.
    pub(crate) async fn set(&self, workers: &[(&str, u32)]) {
        let list: Vec<Value> =
            workers.iter().map(|(url, capacity)| json!({ "worker": url, "capacity": capacity })).collect();
        let answer = self.request("POST", "/coordinator/workers", Value::from(list).to_string()).await;
        assert!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    }

    /// Drains and removes a worker.
    pub(crate) async fn remove(&self, worker: &str) {
        let answer = self.request("DELETE", &format!("/coordinator/workers?worker={worker}"), "").await;
        assert!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    }

    /// All workers with their live figures.
    pub(crate) async fn workers(&self) -> Vec<WorkerFigures> {
        WorkerFigures::of(&self.get("/coordinator/workers").await)
    }

    /// Waits until the workers' figures satisfy `wanted`.
    pub(crate) async fn shows(&self, what: &str, wanted: impl Fn(&[WorkerFigures]) -> bool) {
        self.shows_within(what, SOON, wanted).await;
    }

    /// Waits until no request is under way and every slot is at home. For the end of a test: what it sees may be as old as the last
    /// report, and so from before a request that has just begun.
    pub(crate) async fn shows_idle(&self, within: Duration) {
        let idle = |worker: &WorkerFigures| worker.is_idle() && worker.waiting == Some(0);
        self.shows_within("every slot at home", within, |workers| workers.iter().all(idle)).await;
    }

    /// Waits until so many requests wait for a slot.
    pub(crate) async fn shows_waiting(&self, waiting: u64) {
        let what = format!("{waiting} waiting");
        self.shows(&what, |workers| workers.iter().all(|worker| worker.waiting == Some(waiting))).await;
    }

    async fn shows_within(&self, what: &str, within: Duration, wanted: impl Fn(&[WorkerFigures]) -> bool) {
        let started = Instant::now();
        loop {
            let workers = self.workers().await;
            if wanted(&workers) {
                return;
            }
            assert!(started.elapsed() < within, "{what}: not within {within:?}, but {workers:#?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
