//! What the filter decides and says, independent of the proxy that runs it.
//!
//! The slots themselves are the business of `slotway_engine`. A shell (today the proxy-wasm filter, later a native
//! module of Envoy) asks this crate:
//!
//! * [`PoolRouter`]: which pool a request belongs to;
//! * [`LocalReply`]: what a client gets instead of a worker's answer, as `application/problem+json`;
//! * [`AnswerOrigin`]: whether an answer comes from the worker or from Envoy, and what it says about the worker;
//! * [`RequestOutcome`]: how a request is counted; [`stat_names`] has the names of the statistics;
//! * [`ReportComposer`]: what the control plane is told about slots and workers;
//! * [`Backoff`]: when a refused operation is tried again.
//!
//! Nothing here has a clock, does I/O or calls a host.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod answer;
mod backoff;
mod coordinator_settings;
mod local_reply;
mod location;
mod outcome;
mod report;
mod reported_workers;
mod routing;
pub mod stat_names;

pub use answer::{AnswerOrigin, SlotFate};
pub use backoff::Backoff;
pub use coordinator_settings::CoordinatorSettings;
pub use local_reply::{LineStatus, LocalReply, LocalReplyReason, PROBLEM_JSON, push_number};
pub use location::relative_to;
pub use outcome::RequestOutcome;
pub use report::{ReportComposer, ReportDraft};
pub use routing::PoolRouter;
