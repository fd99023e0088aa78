//! The functions that the host calls.
//!
//! Only callbacks that do something are exported: Envoy does not call an absent one, which saves microseconds for every
//! request. So the filter does not hear of a context's creation or of its end (`proxy_on_context_create`, `proxy_on_done`):
//! a number belongs to a root context from its configuration on, and to a stream from its request on.
//!
//! No function panics, whatever number it is called with. The host of a VM that took the place of a dead one calls it with
//! numbers of the dead one, which may belong to other contexts now.

use std::cell::RefCell;

use slotway_test_hooks::{CrashPoint, crash_if_armed};

use crate::{
    abi::{Action, LogLevel},
    host::{Host, ProxyWasmHost, allocate},
    lane::Lane,
    vm::Vm,
};

thread_local! {
    static VM: RefCell<Vm<ProxyWasmHost>> = RefCell::new(Vm::new(ProxyWasmHost));
}

/// Runs `act` on this VM, within a callback of a context. Callbacks do not nest: Envoy puts off what a host call causes until
/// the callback has returned. If they did, the inner one would do nothing.
fn with_vm<R: Default>(context: u32, act: impl FnOnce(&mut Vm<ProxyWasmHost>) -> R) -> R {
    VM.with(|vm| match vm.try_borrow_mut() {
        Ok(mut vm) => {
            vm.lane.begin_callback(context);
            let result = act(&mut vm);
            vm.lane.end_callback();
            result
        }
        Err(_) => {
            ProxyWasmHost.log(LogLevel::Critical, "slotway: a callback came within another one");
            R::default()
        }
    })
}

/// Runs `act` on the lane that this VM is.
fn with_lane<R: Default>(context: u32, act: impl FnOnce(&mut Lane<ProxyWasmHost>) -> R) -> R {
    with_vm(context, |vm| act(&mut vm.lane))
}

/// Names the ABI of this module.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// A VM starts. From now on a panic logs its reason before the VM ends.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn _initialize() {
    std::panic::set_hook(Box::new(|panic| {
        let why = panic.payload_as_str().unwrap_or("no message");
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        ProxyWasmHost.log(LogLevel::Critical, &format!("slotway: this lane dies of a panic: {why} ({at})"));
    }));
}

/// Allocates memory for data that the host passes to the module.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    allocate(size)
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
    let Some(words) = ProxyWasmHost.header(crate::abi::MapType::HttpRequestHeaders, HEADER) else { return };
    match slotway_test_hooks::CrashWish::parse(&words) {
        Some(wish) => slotway_test_hooks::arm(wish),
        None => ProxyWasmHost.log(LogLevel::Error, &format!("slotway: {HEADER}: no point '{words}'")),
    }
}

/// A root context's configuration has come. `false` refuses it.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_configure(root: u32, size: usize) -> bool {
    with_vm(root, |vm| vm.on_configure(root, size))
}

/// The timer has fired.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_tick(root: u32) {
    crash_if_armed(CrashPoint::Tick);
    with_lane(root, Lane::on_tick);
}

/// A message has come. Whatever queue it names, this lane reads its own queue.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_queue_ready(context: u32, queue: u32) {
    crash_if_armed(CrashPoint::Wake);
    with_lane(context, |lane| {
        if !lane.is_root(context) {
            let text =
                format!("slotway: a wake-up for context {context} (queue {queue}), not the root context");
            ProxyWasmHost.log(LogLevel::Debug, &text);
        }
        lane.on_wake_up();
    });
}

/// A report was answered, or its call has failed.
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
        if lane.has_stream(context) {
            let text = format!("slotway: context {context} begins again and has not ended");
            ProxyWasmHost.log(LogLevel::Error, &text);
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

/// A chunk of an answer's body has come.
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

/// A stream has ended. Envoy calls this for every stream: `ConnectionManagerImpl::doDeferredStreamDestroy` calls the access
/// log handlers before it destroys the filters, and a wasm filter is one of them (`WasmFilterConfig`). So the filter does
/// not need the end of the context (`proxy_on_delete`).
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
pub extern "C" fn proxy_on_log(context: u32) {
    crash_if_armed(CrashPoint::Log);
    with_vm(context, |vm| vm.on_stream_end(context));
}
