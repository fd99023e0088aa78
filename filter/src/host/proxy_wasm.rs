//! Envoy, through the calls of proxy-wasm.
//!
//! The SDK's own wrappers panic on statuses that they do not list (proxy-wasm-rust-sdk #310), and a panic ends the VM. So
//! the ABI (proxy-wasm 0.2.1) is called directly, and every status except `Ok` becomes a [`HostError`].

use std::{
    alloc::{Layout, alloc},
    cell::Cell,
    ptr::null_mut,
    time::Duration,
};

use super::{Host, HostError};
use crate::{
    abi::{BufferType, LogLevel, MapType, MetricType, Status, StreamType},
    abi_calls as abi,
};

/// The host of the VM that this code runs in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProxyWasmHost;

const OK: i32 = Status::Ok as i32;
/// An empty `vm_id` means the module's own.
const OWN_VM_ID: &str = "";
const EMPTY: i32 = Status::Empty as i32;
/// WASI's number of the monotonic clock.
const CLOCK_MONOTONIC: i32 = 1;

fn check(call: &'static str, status: i32) -> Result<(), HostError> {
    if status == OK { Ok(()) } else { Err(HostError { call, status }) }
}

/// Allocates memory for bytes that the host passes to the module; null where there is none. [`owned`] takes it over.
pub(crate) fn allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the size is not zero.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => null_mut(),
    }
}

/// Takes over bytes that the host has written into memory from [`allocate`].
fn owned(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: the host got `data` from `allocate(size)` by way of `proxy_on_memory_allocate`, with a vector's
    // own layout for `size` bytes, and has filled it. It has no other owner.
    unsafe { Vec::from_raw_parts(data, size, size) }
}

thread_local! {
    /// The newest compare-and-swap number of the shared data that this VM knows or assumes.
    static NEWEST: Cell<u32> = const { Cell::new(0) };
}

/// Returns the later one of two numbers of the host, which wrap.
fn newer(one: u32, other: u32) -> u32 {
    if other.wrapping_sub(one) < u32::MAX / 2 { other } else { one }
}

/// Encodes a header map as the ABI wants it: the count, the length of each key and value, then the texts, each with a
/// zero byte at its end.
fn serialize_map(map: &[(&str, &str)]) -> Vec<u8> {
    // Growing step by step would cost more than everything else here.
    let texts =
        |size: usize, (key, value): &(&str, &str)| size.saturating_add(key.len()).saturating_add(value.len());
    let size = map.iter().fold(map.len().saturating_mul(10).saturating_add(4), texts);
    let mut bytes = Vec::with_capacity(size);
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

// SAFETY, for every call below: pointers and sizes are those of live slices, or of live locals of the right type. The host
// reads or fills them before it returns.
impl Host for ProxyWasmHost {
    fn log(&self, level: LogLevel, text: &str) {
        // A log that fails cannot be reported either.
        let _ = unsafe { abi::proxy_log(level as i32, text.as_ptr(), text.len()) };
    }

    fn now_ms(&self) -> u64 {
        let mut time_ns = 0;
        let status = unsafe { abi::clock_time_get(CLOCK_MONOTONIC, 1, &mut time_ns) };
        if status == OK { time_ns / 1_000_000 } else { 0 }
    }

    fn set_tick_period(&self, period: Duration) -> Result<(), HostError> {
        let period_ms = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        check("set tick period", unsafe { abi::proxy_set_tick_period_milliseconds(period_ms) })
    }

    fn plugin_configuration(&self, size: usize) -> Result<Vec<u8>, HostError> {
        let kind = BufferType::PluginConfiguration as i32;
        let (mut data, mut length) = (null_mut(), 0);
        let status = unsafe { abi::proxy_get_buffer_bytes(kind, 0, size, &mut data, &mut length) };
        check("get plugin configuration", status)?;
        Ok(owned(data, length))
    }

    fn replace_response_body(&self, size: usize, body: &[u8]) -> Result<(), HostError> {
        let kind = BufferType::HttpResponseBody as i32;
        let status = unsafe { abi::proxy_set_buffer_bytes(kind, 0, size, body.as_ptr(), body.len()) };
        check("set response body", status)
    }

    fn header(&self, map: MapType, key: &str) -> Option<String> {
        let (mut data, mut size) = (null_mut(), 0);
        let status = unsafe {
            abi::proxy_get_header_map_value(map as i32, key.as_ptr(), key.len(), &mut data, &mut size)
        };
        // A failure means no header: where there is none, Envoy returns either a failure or no data.
        (status == OK && !data.is_null()).then(|| String::from_utf8_lossy(&owned(data, size)).into_owned())
    }

    fn replace_header(&self, map: MapType, key: &str, value: &str) -> Result<(), HostError> {
        let status = unsafe {
            abi::proxy_replace_header_map_value(
                map as i32,
                key.as_ptr(),
                key.len(),
                value.as_ptr(),
                value.len(),
            )
        };
        check("replace header", status)
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        let path = path.join("\0");
        let (mut data, mut size) = (null_mut(), 0);
        let status = unsafe { abi::proxy_get_property(path.as_ptr(), path.len(), &mut data, &mut size) };
        (status == OK).then(|| owned(data, size))
    }

    fn set_property(&self, path: &str, value: &[u8]) -> Result<(), HostError> {
        let status =
            unsafe { abi::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
        check("set property", status)
    }

    fn shared_data(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError> {
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

    fn set_shared_data(&self, key: &str, value: &[u8], cas: u32) -> Result<u32, HostError> {
        let status =
            unsafe { abi::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) };
        check("set shared data", status)?;
        // The host counts all writes of all keys together, and never gives 0.
        NEWEST.set(NEWEST.get().checked_add(1).unwrap_or(1));
        Ok(NEWEST.get())
    }

    fn register_queue(&self, name: &str) -> Result<u32, HostError> {
        let mut queue = 0;
        let status = unsafe { abi::proxy_register_shared_queue(name.as_ptr(), name.len(), &mut queue) };
        check("register queue", status).map(|()| queue)
    }

    fn resolve_queue(&self, name: &str) -> Result<u32, HostError> {
        let mut queue = 0;
        let status = unsafe {
            abi::proxy_resolve_shared_queue(
                OWN_VM_ID.as_ptr(),
                OWN_VM_ID.len(),
                name.as_ptr(),
                name.len(),
                &mut queue,
            )
        };
        check("resolve queue", status).map(|()| queue)
    }

    fn dequeue(&self, queue: u32) -> Result<Option<Vec<u8>>, HostError> {
        let (mut data, mut size) = (null_mut(), 0);
        let status = unsafe { abi::proxy_dequeue_shared_queue(queue, &mut data, &mut size) };
        match status {
            EMPTY => Ok(None),
            status => check("dequeue", status).map(|()| Some(owned(data, size))),
        }
    }

    fn enqueue(&self, queue: u32, message: &[u8]) -> Result<(), HostError> {
        check("enqueue", unsafe { abi::proxy_enqueue_shared_queue(queue, message.as_ptr(), message.len()) })
    }

    fn set_effective_context(&self, context: u32) -> Result<(), HostError> {
        check("set effective context", unsafe { abi::proxy_set_effective_context(context) })
    }

    fn resume_request(&self) -> Result<(), HostError> {
        check("continue stream", unsafe { abi::proxy_continue_stream(StreamType::HttpRequest as i32) })
    }

    fn send_local_response(
        &self,
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

    fn http_call(
        &self,
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

    fn define_metric(&self, kind: MetricType, name: &str) -> Result<u32, HostError> {
        let mut id = 0;
        let status = unsafe { abi::proxy_define_metric(kind as i32, name.as_ptr(), name.len(), &mut id) };
        check("define metric", status).map(|()| id)
    }

    fn record_metric(&self, id: u32, value: u64) -> Result<(), HostError> {
        check("record metric", unsafe { abi::proxy_record_metric(id, value) })
    }

    fn increment_metric(&self, id: u32, by: u64) -> Result<(), HostError> {
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        check("increment metric", unsafe { abi::proxy_increment_metric(id, by) })
    }
}
