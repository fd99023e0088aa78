//! The host that a lane runs in: what the filter asks of Envoy.
//!
//! [`ProxyWasmHost`] is Envoy, through the calls of proxy-wasm. It has no size, and every call of it is known at compile
//! time. Tests have a host of their own, `fake`, with lanes that share data and queues.

#[cfg(test)]
pub(crate) mod fake;
mod proxy_wasm;

use std::time::Duration;

pub(crate) use proxy_wasm::{ProxyWasmHost, allocate};

use crate::abi::{LogLevel, MapType, MetricType, Status};

/// The status of a host call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{call}: host status {status}")]
pub(crate) struct HostError {
    /// The call.
    pub(crate) call: &'static str,
    /// The status that the host returned.
    pub(crate) status: i32,
}

impl HostError {
    /// Returns whether the key, name or property does not exist.
    pub(crate) fn is_not_found(self) -> bool {
        self.status == Status::NotFound as i32
    }

    /// Returns whether another lane has written since the read.
    pub(crate) fn is_cas_mismatch(self) -> bool {
        self.status == Status::CasMismatch as i32
    }
}

/// How often a callback tries to speak for its own context again.
const RETURNS_MAX: usize = 4;

/// The calls of the host. None of them panics; each failure is a [`HostError`].
///
/// Calls about a stream refer to the *effective context*: the context whose callback is running, or the one that
/// [`Host::as_context`] has set.
pub(crate) trait Host: Clone {
    /// Writes a line to the log.
    fn log(&self, level: LogLevel, text: &str);

    /// Returns milliseconds on a clock that never goes back and is the same for all lanes.
    fn now_ms(&self) -> u64;

    /// Sets the period of the effective root context's timer; 0 stops it.
    fn set_tick_period(&self, period: Duration) -> Result<(), HostError>;

    /// Returns the plugin configuration, within `on_configure`.
    fn plugin_configuration(&self, size: usize) -> Result<Vec<u8>, HostError>;

    /// Makes the following calls refer to `context`; the host forgets it when the current callback returns.
    fn set_effective_context(&self, context: u32) -> Result<(), HostError>;

    /// Returns a header; `None` where there is none. Bytes that are not UTF-8 are replaced.
    fn header(&self, map: MapType, key: &str) -> Option<String>;

    /// Sets a header.
    fn replace_header(&self, map: MapType, key: &str, value: &str) -> Result<(), HostError>;

    /// Replaces the chunk of the answer's body that is at hand, which has `size` bytes.
    fn replace_response_body(&self, size: usize, body: &[u8]) -> Result<(), HostError>;

    /// Returns a property of the stream by its path.
    fn property(&self, path: &[&str]) -> Option<Vec<u8>>;

    /// Sets a property of the stream. Envoy keeps it in the filter state under `wasm.` and the path.
    fn set_property(&self, path: &str, value: &[u8]) -> Result<(), HostError>;

    /// Returns a value of the shared data with its compare-and-swap number; `None` where there is none.
    fn shared_data(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError>;

    /// Stores a value if nothing was stored under the key since `cas` was read. Returns the number that the value
    /// probably has: an exchange under a wrong number fails, and does no harm.
    fn set_shared_data(&self, key: &str, value: &[u8], cas: u32) -> Result<u32, HostError>;

    /// Registers the effective root context as the one that a queue's messages wake. Creates the queue if it does not
    /// exist.
    fn register_queue(&self, name: &str) -> Result<u32, HostError>;

    /// Returns the id of a queue that this VM or another one has registered.
    fn resolve_queue(&self, name: &str) -> Result<u32, HostError>;

    /// Takes the next message out of a queue; `None` where it is empty.
    fn dequeue(&self, queue: u32) -> Result<Option<Vec<u8>>, HostError>;

    /// Puts a message into a queue, which wakes the VM that registered it last.
    fn enqueue(&self, queue: u32, message: &[u8]) -> Result<(), HostError>;

    /// Lets a paused request continue, once the current callback has returned.
    fn resume_request(&self) -> Result<(), HostError>;

    /// Answers the request in the worker's place, once the current callback has returned. A gRPC caller gets
    /// `grpc_status`, and the body as the message.
    fn send_local_response(
        &self,
        status: u32,
        grpc_status: i32,
        details: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), HostError>;

    /// Sends a request of the effective root context to a cluster, and returns the id of the call. The answer, or the
    /// failure, comes as `proxy_on_http_call_response` with that id.
    fn http_call(
        &self,
        cluster: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        timeout: Duration,
    ) -> Result<u32, HostError>;

    /// Defines a metric, and returns its id.
    fn define_metric(&self, kind: MetricType, name: &str) -> Result<u32, HostError>;

    /// Sets a gauge, or records a value of a histogram.
    fn record_metric(&self, id: u32, value: u64) -> Result<(), HostError>;

    /// Raises a counter.
    fn increment_metric(&self, id: u32, by: u64) -> Result<(), HostError>;

    /// Runs `act` with `context` as the effective context, within a callback of `current`.
    fn as_context<R>(&self, current: u32, context: u32, act: impl FnOnce() -> R) -> Result<R, HostError> {
        if context == current {
            return Ok(act());
        }
        self.set_effective_context(context)?;
        let result = act();
        // A context that is about to be deleted cannot be set any more, and makes no more calls either. Where the host
        // refuses for another reason, it is asked again: the following calls would refer to the wrong context.
        let _ = (0..RETURNS_MAX).find(|_| self.set_effective_context(current).is_ok());
        Ok(result)
    }
}
