//! The Envoy filter: the thin proxy-wasm shell round the slot engine.
//!
//! Each Envoy worker thread runs this module in a VM of its own, a *lane*. What a lane knows lives in
//! [`lane::Lane`], one per VM, and not in proxy-wasm's contexts: a configuration push makes a new root
//! context in the same VM, while streams of the old one go on. Root and stream contexts only pass their
//! callbacks on.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod error;
mod grants;
mod host;
mod lane;
mod lane_pool;
mod metrics;
mod refusal;
mod report;
mod request;
mod settings;
mod shared;
mod stream;
mod tick;
mod wake_up;

use std::cell::RefCell;

use lane::Lane;
use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, LogLevel},
};

thread_local! {
    static LANE: RefCell<Lane> = RefCell::new(Lane::new());
}

/// Runs `act` on this VM's lane. Callbacks do not nest (what a host call sets off, Envoy puts off until the
/// callback has returned); should they, the inner one does nothing.
fn with_lane<R: Default>(context: u32, act: impl FnOnce(&mut Lane) -> R) -> R {
    LANE.with(|lane| match lane.try_borrow_mut() {
        Ok(mut lane) => {
            lane.context = context;
            let result = act(&mut lane);
            lane.schedule();
            result
        }
        Err(_) => {
            host::log(LogLevel::Critical, "slotway: a callback came within another one");
            R::default()
        }
    })
}

mod entry {
    //! The module's entry point, which the host calls once for each VM.
    #![allow(missing_docs)]

    use super::Root;
    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        // Only what goes wrong inside the SDK is logged at this level; the filter logs for itself.
        proxy_wasm::set_log_level(LogLevel::Warn);
        proxy_wasm::set_root_context(|id| Box::new(Root { id }));
    }}
}

struct Root {
    id: u32,
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, _headers: usize, _body: usize, _trailers: usize) {
        with_lane(self.id, |lane| lane.on_report_answered(call));
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        with_lane(self.id, |lane| lane.on_configure(self.id, size))
    }

    fn on_tick(&mut self) {
        with_lane(self.id, Lane::on_tick);
    }

    fn on_queue_ready(&mut self, _queue: u32) {
        with_lane(self.id, Lane::on_wake_up);
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { id }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Request {
    id: u32,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        if with_lane(self.id, |lane| lane.on_request(self.id)) { Action::Continue } else { Action::Pause }
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        with_lane(self.id, |lane| lane.on_answer_headers(self.id, end));
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        with_lane(self.id, |lane| lane.on_answer_body(self.id, size, end));
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        with_lane(self.id, |lane| lane.on_answer_end(self.id));
        Action::Continue
    }

    fn on_log(&mut self) {
        with_lane(self.id, |lane| lane.on_stream_end(self.id));
    }
}

impl Drop for Request {
    /// The context is deleted: the safety net under `on_log`.
    fn drop(&mut self) {
        with_lane(self.id, |lane| lane.on_stream_end(self.id));
    }
}
