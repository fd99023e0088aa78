//! The functions that the host calls.
//!
//! Only those are exported that do something here: Envoy takes an absent callback for one that has nothing to say, and
//! each one that it need not call saves microseconds of every request. So a context's creation and its readiness to go
//! (`proxy_on_context_create`, `proxy_on_done`) are not heard of: a number is a root context's since it was configured,
//! and a stream's since its request came.
//!
//! None of them panics, whatever number it is called with. The host of a VM that took a dead one's place calls it with
//! numbers of the dead one, which may be those of other contexts now.

use slotway_test_hooks::{CrashPoint, crash_if_armed};

use crate::{
    abi::{Action, LogLevel},
    host,
    lane::Lane,
    with_lane,
};

/// Says which ABI this module keeps to.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// A new VM. From now on a panic tells its reason before the VM is gone.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn _initialize() {
    std::panic::set_hook(Box::new(|panic| {
        let why = panic.payload_as_str().unwrap_or("no message");
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        host::log(LogLevel::Critical, &format!("slotway: this lane dies of a panic: {why} ({at})"));
    }));
}

/// Memory for what the host hands over.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    host::allocate(size)
}

/// Selects the active defect of a test build. The simulator calls it before anything else.
#[cfg(feature = "test-hooks")]
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn slotway_select_defect(number: u32) {
    slotway_test_hooks::select(number);
}

/// Arms this VM for a crash, if the request at hand has the header that demands one.
#[cfg(feature = "test-hooks")]
fn arm_crash() {
    const HEADER: &str = "x-slotway-chaos";
    let Some(words) = host::header(crate::abi::MapType::HttpRequestHeaders, HEADER) else { return };
    match slotway_test_hooks::CrashWish::parse(&words) {
        Some(wish) => slotway_test_hooks::arm(wish),
        None => host::log(LogLevel::Error, &format!("slotway: {HEADER}: no point '{words}'")),
    }
}

/// A root context's configuration has come. `false` refuses it.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_configure(root: u32, size: usize) -> bool {
    with_lane(root, |lane| lane.on_configure(root, size))
}

/// The timer has fired.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_tick(root: u32) {
    crash_if_armed(CrashPoint::Tick);
    with_lane(root, Lane::on_tick);
}

/// A message has come. Whoever it is for, this lane looks into its own queue.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_queue_ready(context: u32, queue: u32) {
    crash_if_armed(CrashPoint::Wake);
    with_lane(context, |lane| {
        if context != lane.root {
            let text = format!("slotway: a wake-up for context {context} (queue {queue}), not {}", lane.root);
            host::log(LogLevel::Debug, &text);
        }
        lane.on_wake_up();
    });
}

/// A report was answered, or will not be.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_http_call_response(
    root: u32,
    call: u32,
    _headers: usize,
    _body_size: usize,
    _trailers: usize,
) {
    with_lane(root, |lane| lane.on_report_answered(call));
}

/// A request has come.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_request_headers(context: u32, _headers: usize, _end: bool) -> u32 {
    #[cfg(feature = "test-hooks")]
    arm_crash();
    crash_if_armed(CrashPoint::Request);
    let goes_on = with_lane(context, |lane| {
        if lane.streams.contains_key(&context) {
            host::log(LogLevel::Error, &format!("slotway: context {context} has begun anew without an end"));
            lane.on_stream_end(context);
        }
        lane.on_request(context)
    });
    if goes_on { Action::Continue as u32 } else { Action::Pause as u32 }
}

/// An answer begins.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_response_headers(context: u32, _headers: usize, end: bool) -> u32 {
    crash_if_armed(CrashPoint::Answer);
    with_lane(context, |lane| lane.on_answer_headers(context, end));
    Action::Continue as u32
}

/// A piece of an answer's body.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_response_body(context: u32, size: usize, end: bool) -> u32 {
    with_lane(context, |lane| lane.on_answer_body(context, size, end));
    Action::Continue as u32
}

/// An answer ends with trailers.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_response_trailers(context: u32, _trailers: usize) -> u32 {
    with_lane(context, |lane| lane.on_answer_end(context));
    Action::Continue as u32
}

/// A stream has ended: Envoy's last word on each, whatever became of it. `ConnectionManagerImpl::doDeferredStreamDestroy`,
/// which every stream goes through, tells the access log handlers before it destroys the filters, and a wasm filter is one
/// of them (`WasmFilterConfig`). So nobody listens for the context's own end (`proxy_on_delete`).
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_log(context: u32) {
    crash_if_armed(CrashPoint::Log);
    with_lane(context, |lane| {
        if lane.witness.is_some() {
            lane.bear_witness();
        } else {
            lane.on_stream_end(context);
        }
    });
}
