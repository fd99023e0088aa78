//! The Envoy filter: the proxy-wasm shell round the slot engine.
//!
//! Each Envoy worker thread runs this module in a VM of its own, a *lane*. The state of a lane lives in [`lane::Lane`], one
//! for each VM, and not in proxy-wasm's contexts: a configuration push makes a new root context in the same VM, while
//! streams of the old one continue.
//!
//! | module | what it does | uses |
//! |---|---|---|
//! | [`entry`] | the functions that the host calls | [`vm`] |
//! | [`vm`] | the role of this VM | [`lane`], [`witness`] |
//! | [`lane`] | joins the components and orders the work of each callback | all below |
//! | [`reporting`] | reports to the control plane | [`lane_core`] |
//! | [`recovery`] | signs of life, audit, dead lanes | [`grants`], [`requests`] |
//! | [`activation`] | puts a configuration in force | [`grants`], [`requests`] |
//! | [`grants`] | releases and grants of slots, holds | [`requests`] |
//! | [`requests`] | streams, waiters, answers, local replies | [`lane_core`] |
//! | [`lane_core`] | host, contexts, configuration, pools | [`pools`] |
//! | [`pools`] | each pool's transitions and metrics | [`shared_state`] |
//! | [`shared_state`] | values in shared data, by compare-and-swap | [`host`] |
//! | [`host`] | the host's calls, as a trait | |
//!
//! A module uses only modules further down. What does not depend on proxy-wasm at all is the crate `slotway_policy`.
//!
//! The proxy-wasm SDK is not linked. Its dispatcher panics on a wake-up whose context is a stream, which a VM gets that
//! took the place of a dead one; a panic ends every request in the VM, so one death would cause the next. The SDK also
//! exports every callback of the ABI, and Envoy calls all of them.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod abi;
mod abi_calls;
mod activation;
pub mod entry;
mod error;
mod grants;
mod host;
mod lane;
mod lane_core;
mod mark;
mod pools;
mod recovery;
mod reporting;
mod requests;
mod shared_state;
mod vm;
mod wake_up;
mod witness;
