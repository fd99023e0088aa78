use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use serde_json::{Value, json};

use crate::{Answer, SOON, send};

/// Interval between two reads. Coordinators report about every 250 ms.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A client of the control plane's REST.
pub struct Api {
    address: SocketAddr,
    token: String,
}

/// One worker of `GET /coordinator/workers`. Figures without a report are `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerFigures {
    /// Its base URL.
    pub worker: String,
    /// The capacity in force.
    pub capacity: Option<u64>,
    /// Requests in flight.
    pub in_flight: Option<u64>,
    /// Free slots.
    pub free: Option<u64>,
    /// Waiters of its pool.
    pub waiting: Option<u64>,
    /// `active`, `draining`, ...
    pub state: String,
    /// The newest generation of the configuration.
    pub generation_wanted: u64,
    /// The oldest generation in force at a reporting coordinator.
    pub generation_in_force: Option<u64>,
}

impl WorkerFigures {
    /// Reads an answer of `/coordinator/workers`.
    pub fn of(answer: &Answer) -> Vec<Self> {
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

    /// Returns whether it is active and all its slots are free.
    pub fn is_idle(&self) -> bool {
        self.state == "active" && self.free == self.capacity && self.in_flight == Some(0)
    }
}

impl Api {
    /// Creates a client with the admin token.
    pub fn new(address: SocketAddr, token: &str) -> Self {
        Self { address, token: token.to_owned() }
    }

    /// Sends a request with the admin token.
    pub async fn request(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        self.try_request(method, path, body).await.unwrap()
    }

    /// Does the same, and returns an error if the control plane is down.
    pub async fn try_request(&self, method: &str, path: &str, body: impl Into<Bytes>) -> io::Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        send(self.address, request).await
    }

    /// Sends a GET request without the token.
    pub async fn get(&self, path: &str) -> Answer {
        send(self.address, crate::get(path)).await.unwrap()
    }

    /// Creates workers, or changes their capacities.
    pub async fn set(&self, workers: &[(&str, u32)]) {
        let list: Vec<Value> =
            workers.iter().map(|(url, capacity)| json!({ "worker": url, "capacity": capacity })).collect();
        let answer = self.request("POST", "/coordinator/workers", Value::from(list).to_string()).await;
        assert!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    }

    /// Drains and removes a worker.
    pub async fn remove(&self, worker: &str) {
        let answer = self.request("DELETE", &format!("/coordinator/workers?worker={worker}"), "").await;
        assert!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    }

    /// Returns all workers with their live figures.
    pub async fn workers(&self) -> Vec<WorkerFigures> {
        WorkerFigures::of(&self.get("/coordinator/workers").await)
    }

    /// Waits until the workers' figures satisfy `wanted`.
    pub async fn shows(&self, what: &str, wanted: impl Fn(&[WorkerFigures]) -> bool) {
        self.shows_within(what, SOON, wanted).await;
    }

    /// Waits until no request is in flight or waits, and all slots are free. The figures are as old as the last report, which may precede a request
    /// that has just begun: for the end of a test.
    pub async fn shows_idle(&self, within: Duration) {
        let idle = |worker: &WorkerFigures| worker.is_idle() && worker.waiting == Some(0);
        self.shows_within("all slots free", within, |workers| workers.iter().all(idle)).await;
    }

    /// Waits until `waiting` requests wait for a slot.
    pub async fn shows_waiting(&self, waiting: u64) {
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
