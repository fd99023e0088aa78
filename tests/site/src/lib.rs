//! Slotway as an operator runs it, for one test: control plane, Envoy, workers and clients on ports and in a directory of their own.
//!
//! * [`Slotway`]: `slotway up` with its Envoy. [`ServedApart`]: `slotway serve` with an Envoy of its own, as on two machines. Both are
//!   configured by a [`Setup`] and stand on a [`Site`].
//! * [`TestWorker`]: a worker in the test's process with a chosen [`Behaviour`]. [`ReferenceWorker`]: the one of `tests/worker`.
//!   [`ConnectionWorker`]: one that counts its connections. [`FieldProgram`]: a server of another project.
//! * [`ClientConnection`], [`ClientLoad`]: clients. [`Api`]: the REST of the control plane.
//! * [`Names`], [`Authority`]: a name server and a certificate authority.
//! * [`mod@until`]: waits for a condition.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod api;
mod arrivals;
mod behaviour;
mod client;
mod connection_worker;
mod field_program;
mod load;
mod names;
mod ports;
mod process;
mod reference_worker;
mod served_apart;
mod setup;
mod site;
mod slotway;
mod tls;
mod until;
mod worker;
mod worker_body;

pub use api::{Api, WorkerFigures};
pub use arrivals::{Arrivals, ArrivedRequest};
pub use behaviour::{Behaviour, Reply};
pub use client::{Answer, ClientConnection, ClientProtocol, get, open_raw, post, send};
pub use connection_worker::ConnectionWorker;
pub use field_program::FieldProgram;
pub use load::ClientLoad;
pub use names::Names;
pub use ports::fresh_address;
pub use process::TestProcess;
pub use reference_worker::ReferenceWorker;
pub use served_apart::ServedApart;
pub use setup::Setup;
pub use site::{Site, artefact, envoy};
pub use slotway::{READY_WITHIN, Slotway};
pub use tls::Authority;
pub use until::{SOON, until};
pub use worker::TestWorker;
pub use worker_body::WorkerBody;
