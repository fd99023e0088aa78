//! The Envoy filter: the thin proxy-wasm shell round the slot engine.
//!
//! Each Envoy worker thread runs this module in a VM of its own, a *lane*. What a lane knows lives in
//! [`lane::Lane`], one per VM, and not in proxy-wasm's contexts: a configuration push makes a new root
//! context in the same VM, while streams of the old one go on. [`entry`] has the functions that the host calls,
//! [`host`] those of the host that are called here.
//!
//! The proxy-wasm SDK is not linked. Its dispatcher panics on a wake-up whose context is a stream, which a VM
//! gets that took a dead one's place; a panic is the end of every request in the VM, so the SDK's answer to one
//! death is another. It exports every callback of the ABI too, and Envoy calls them all.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod abi;
mod abi_calls;
mod answer;
mod audit;
mod ends;
pub mod entry;
mod error;
mod grants;
mod guesses;
mod host;
mod lane;
mod lane_pool;
mod lane_table;
mod mark;
mod metrics;
mod pool_names;
mod pulse;
mod recovery;
mod refusal;
mod report;
mod request;
mod retry;
mod settings;
mod shared;
mod stream;
mod tick;
mod told_workers;
mod wake_up;
mod witness;

use std::cell::RefCell;

use crate::{abi::LogLevel, lane::Lane};

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
