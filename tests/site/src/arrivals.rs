use std::sync::{Arc, Mutex};

use hyper::{HeaderMap, Uri};

/// A request as a worker received it.
#[derive(Debug, Clone)]
pub struct ArrivedRequest {
    /// The worker's name.
    pub worker: String,
    /// The request's path and query.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
}

/// The requests that reached any worker that shares this list, in order of arrival.
#[derive(Debug, Clone, Default)]
pub struct Arrivals(Arc<Mutex<Vec<ArrivedRequest>>>);

impl Arrivals {
    /// Adds a request.
    pub fn push(&self, arrival: ArrivedRequest) {
        self.0.lock().unwrap().push(arrival);
    }

    /// Returns all requests so far.
    pub fn all(&self) -> Vec<ArrivedRequest> {
        self.0.lock().unwrap().clone()
    }

    /// Returns the number of requests so far.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Returns the last request.
    pub fn last(&self) -> ArrivedRequest {
        self.0.lock().unwrap().last().expect("a request has reached a worker").clone()
    }

    /// Returns the workers' names in order of arrival, separated by spaces.
    pub fn workers(&self) -> String {
        self.0.lock().unwrap().iter().map(|arrival| arrival.worker.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Returns the paths in order of arrival.
    pub fn paths(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|arrival| arrival.uri.path().to_owned()).collect()
    }
}
