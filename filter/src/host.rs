//! Host calls that cannot panic.
//!
//! The SDK's own wrappers panic on statuses that they do not list (proxy-wasm-rust-sdk #310), and a panic
//! here is a dead lane. So the ABI (proxy-wasm 0.2.1) is called directly, and every status that is not `Ok`
//! is a [`HostError`].

use std::{
    alloc::{Layout, alloc},
    cell::Cell,
    ptr::null_mut,
    time::Duration,
};

use crate::{
    abi::{BufferType, LogLevel, MapType, MetricType, Status, StreamType},
    abi_calls as abi,
};

/// A host call's status that is not `Ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{call}: host status {status}")]
pub(crate) struct HostError {
    /// Which call.
    pub(crate) call: &'static str,
    /// What the host said.
    pub(crate) status: i32,
}

impl HostError {
    /// Nothing has that key, name or property.
    pub(crate) fn is_not_found(self) -> bool {
        self.status == NOT_FOUND
    }

    /// Somebody else has written since the read.
    pub(crate) fn is_cas_mismatch(self) -> bool {
        self.status == CAS_MISMATCH
    }
}

const OK: i32 = Status::Ok as i32;
const NOT_FOUND: i32 = Status::NotFound as i32;
const EMPTY: i32 = Status::Empty as i32;
const CAS_MISMATCH: i32 = Status::CasMismatch as i32;
/// WASI's number for the clock that never goes back.
const CLOCK_MONOTONIC: i32 = 1;

fn check(call: &'static str, status: i32) -> Result<(), HostError> {
    if status == OK { Ok(()) } else { Err(HostError { call, status }) }
}

/// Memory for bytes that the host hands over; null where there is none. [`owned`] takes it up.
pub(crate) fn allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the size is not zero.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => null_mut(),
    }
}

/// Bytes that the host has put into memory from [`allocate`], and that are ours now.
fn owned(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: the host got `data` from `allocate(size)` by way of `proxy_on_memory_allocate`, with a vector's
    // own layout for `size` bytes, and has filled it; nobody else owns it.
    unsafe { Vec::from_raw_parts(data, size, size) }
}

// SAFETY, for every call below: pointers and sizes are those of live slices or of live locals of the right
// type, which the host reads or fills before it returns.

/// Writes a line to Envoy's log.
pub(crate) fn log(level: LogLevel, text: &str) {
    // A line that cannot be logged cannot be complained about either.
    let _ = unsafe { abi::proxy_log(level as i32, text.as_ptr(), text.len()) };
}

/// Milliseconds on a clock that never goes back and is the same for all lanes (the process's steady clock).
pub(crate) fn now_ms() -> u64 {
    let mut time_ns = 0;
    let status = unsafe { abi::clock_time_get(CLOCK_MONOTONIC, 1, &mut time_ns) };
    if status == OK { time_ns / 1_000_000 } else { 0 }
}

pub(crate) fn set_tick_period(period: Duration) -> Result<(), HostError> {
    let period_ms = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
    check("set tick period", unsafe { abi::proxy_set_tick_period_milliseconds(period_ms) })
}

/// The plugin configuration, within `on_configure`.
pub(crate) fn plugin_configuration(size: usize) -> Result<Vec<u8>, HostError> {
    let kind = BufferType::PluginConfiguration as i32;
    let (mut data, mut length) = (null_mut(), 0);
    let status = unsafe { abi::proxy_get_buffer_bytes(kind, 0, size, &mut data, &mut length) };
    check("get plugin configuration", status)?;
    Ok(owned(data, length))
}

/// Replaces the chunk of the answer's body that is at hand.
pub(crate) fn replace_response_body(size: usize, body: &[u8]) -> Result<(), HostError> {
    let kind = BufferType::HttpResponseBody as i32;
    let status = unsafe { abi::proxy_set_buffer_bytes(kind, 0, size, body.as_ptr(), body.len()) };
    check("set response body", status)
}

/// A header's value; `None` where there is none. Bytes that are not UTF-8 are replaced.
pub(crate) fn header(map: MapType, key: &str) -> Option<String> {
    let (mut data, mut size) = (null_mut(), 0);
    let status =
        unsafe { abi::proxy_get_header_map_value(map as i32, key.as_ptr(), key.len(), &mut data, &mut size) };
    // A host that cannot say has none: Envoy answers both ways where there is no such header.
    (status == OK && !data.is_null()).then(|| String::from_utf8_lossy(&owned(data, size)).into_owned())
}

pub(crate) fn replace_header(map: MapType, key: &str, value: &str) -> Result<(), HostError> {
    let status = unsafe {
        abi::proxy_replace_header_map_value(map as i32, key.as_ptr(), key.len(), value.as_ptr(), value.len())
    };
    check("replace header", status)
}

/// A property of the stream, by its path.
pub(crate) fn property(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    let (mut data, mut size) = (null_mut(), 0);
    let status = unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), &mut data, &mut size) };
    (status == OK).then(|| owned(data, size))
}

/// Sets a property of the stream; Envoy keeps it in the filter state under `wasm.` and the path, joined by
/// dots.
pub(crate) fn set_property(path: &str, value: &[u8]) -> Result<(), HostError> {
    let status = unsafe { abi::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
    check("set property", status)
}

thread_local! {
    /// The newest number of the shared data that this VM knows of, or believes it has been given.
    static NEWEST: Cell<u32> = const { Cell::new(0) };
}

/// A value of the shared data and the number that its next compare-and-swap must name; `None` where there is
/// none.
pub(crate) fn shared_data(key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError> {
    let (mut data, mut size, mut cas) = (null_mut(), 0, 0);
    let status =
        unsafe { abi::proxy_get_shared_data(key.as_ptr(), key.len(), &mut data, &mut size, &mut cas) };
    match check("get shared data", status) {
        Ok(()) => {
            NEWEST.set(newer(NEWEST.get(), cas));
            Ok(Some((owned(data, size), cas)))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stores a value if nobody has stored one since `cas` was read. Returns the number that the value has if nobody has stored
/// anything since this VM last did, or last read the newest: the host counts all writes together. That is a guess.
pub(crate) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<u32, HostError> {
    let status =
        unsafe { abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) };
    check("set shared data", status)?;
    // The host never gives 0.
    NEWEST.set(NEWEST.get().checked_add(1).unwrap_or(1));
    Ok(NEWEST.get())
}

/// The later one of two numbers that the host has given, which may have begun anew in between.
fn newer(one: u32, other: u32) -> u32 {
    if other.wrapping_sub(one) < u32::MAX / 2 { other } else { one }
}

/// Registers the current root context as the one that `name`'s messages wake.
pub(crate) fn register_queue(name: &str) -> Result<u32, HostError> {
    let mut queue = 0;
    let status = unsafe { abi::proxy_register_shared_queue(name.as_ptr(), name.len(), &mut queue) };
    check("register queue", status).map(|()| queue)
}

pub(crate) fn resolve_queue(vm_id: &str, name: &str) -> Result<u32, HostError> {
    let mut queue = 0;
    let status = unsafe {
        abi::proxy_resolve_shared_queue(vm_id.as_ptr(), vm_id.len(), name.as_ptr(), name.len(), &mut queue)
    };
    check("resolve queue", status).map(|()| queue)
}

/// The queue's next message; `None` when it is empty.
pub(crate) fn dequeue(queue: u32) -> Result<Option<Vec<u8>>, HostError> {
    let (mut data, mut size) = (null_mut(), 0);
    let status = unsafe { abi::proxy_dequeue_shared_queue(queue, &mut data, &mut size) };
    match status {
        EMPTY => Ok(None),
        status => check("dequeue", status).map(|()| Some(owned(data, size))),
    }
}

pub(crate) fn enqueue(queue: u32, message: &[u8]) -> Result<(), HostError> {
    check("enqueue", unsafe { abi::proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) })
}

/// How often a callback tries to speak for its own context again.
const RETURNS_MAX: usize = 4;

/// Makes the host calls that follow speak of another context; the host forgets it when the current callback
/// returns.
fn set_effective_context(context: u32) -> Result<(), HostError> {
    check("set effective context", unsafe { abi::proxy_set_effective_context(context) })
}

/// Speaks as `context` for as long as `act` runs, within a callback of `current`.
pub(crate) fn as_context<R>(current: u32, context: u32, act: impl FnOnce() -> R) -> Result<R, HostError> {
    if context == current {
        return Ok(act());
    }
    set_effective_context(context)?;
    let result = act();
    // A context that is about to be deleted cannot be spoken for any more, and says nothing more either. A host that
    // refuses for another reason is asked again: what follows would be said in the wrong name.
    let _ = (0..RETURNS_MAX).find(|_| set_effective_context(current).is_ok());
    Ok(result)
}

/// Lets a paused request go on, once the current callback has returned.
pub(crate) fn resume_request() -> Result<(), HostError> {
    check("continue stream", unsafe { abi::proxy_continue_stream(StreamType::HttpRequest as i32) })
}

/// Answers the request in the worker's place, once the current callback has returned. A gRPC caller gets
/// `grpc_status`, and the body as the message.
pub(crate) fn send_local_response(
    status: u32,
    grpc_status: i32,
    details: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(), HostError> {
    let headers = serialize_map(headers);
    let status = unsafe {
        abi::proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    };
    check("send local response", status)
}

/// Sends a request of the current root context to a cluster, and returns its number. The answer, or that there
/// is none, comes later as `proxy_on_http_call_response` with that number.
pub(crate) fn http_call(
    cluster: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: Duration,
) -> Result<u32, HostError> {
    let (headers, trailers) = (serialize_map(headers), serialize_map(&[]));
    let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let mut call = 0;
    let status = unsafe {
        abi::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            &mut call,
        )
    };
    check("http call", status).map(|()| call)
}

/// The ABI's form of a header map: the count, every key's and value's length, then the texts, each ended by a
/// zero byte.
fn serialize_map(map: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&(map.len() as u32).to_le_bytes());
    for (key, value) in map {
        bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    }
    for (key, value) in map {
        for text in [key, value] {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
    }
    bytes
}

pub(crate) fn define_metric(kind: MetricType, name: &str) -> Result<u32, HostError> {
    let mut id = 0;
    let status = unsafe { abi::proxy_define_metric(kind as i32, name.as_ptr(), name.len(), &mut id) };
    check("define metric", status).map(|()| id)
}

pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), HostError> {
    check("record metric", unsafe { abi::proxy_record_metric(id, value) })
}

pub(crate) fn increment_metric(id: u32, by: u64) -> Result<(), HostError> {
    let by = i64::try_from(by).unwrap_or(i64::MAX);
    check("increment metric", unsafe { abi::proxy_increment_metric(id, by) })
}
