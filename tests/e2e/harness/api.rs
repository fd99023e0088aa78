use std::{
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
}

impl WorkerFigures {
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
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        send(self.address, request).await.unwrap()
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
        let answer = self.get("/coordinator/workers").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let list = answer.json();
        let number = |entry: &Value, name: &str| entry[name].as_u64();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let figures = |entry: &Value| WorkerFigures {
            worker: text(entry, "worker"),
            capacity: number(entry, "capacity"),
            in_flight: number(entry, "in_flight"),
            free: number(entry, "free"),
            waiting: number(entry, "waiting"),
            state: text(entry, "state"),
        };
        list.as_array().expect("a list of workers").iter().map(figures).collect()
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
