use std::sync::{Arc, Mutex};

use hyper::{HeaderMap, Uri};

/// A request as a worker saw it.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// The worker's name.
    pub(crate) worker: String,
    /// The request's path and query.
    pub(crate) uri: Uri,
    /// Its headers.
    pub(crate) headers: HeaderMap,
}

/// The requests that reached any of the workers that share this list, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<Vec<Arrival>>>);

impl Arrivals {
    pub(crate) fn push(&self, arrival: Arrival) {
        self.0.lock().unwrap().push(arrival);
    }

    /// All so far.
    pub(crate) fn all(&self) -> Vec<Arrival> {
        self.0.lock().unwrap().clone()
    }

    /// How many so far.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The last one.
    pub(crate) fn last(&self) -> Arrival {
        self.0.lock().unwrap().last().expect("a request has reached a worker").clone()
    }

    /// The workers' names in the order in which they were asked, with a space between.
    pub(crate) fn workers(&self) -> String {
        self.0.lock().unwrap().iter().map(|arrival| arrival.worker.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The paths in the order in which they arrived.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|arrival| arrival.uri.path().to_owned()).collect()
    }
}
