//! What the tests are made of: the processes under test, workers and clients that obey, and waiting for conditions.

mod api;
mod arrivals;
mod behaviour;
mod client;
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

pub(crate) use api::{Api, WorkerFigures};
pub(crate) use arrivals::{Arrival, Arrivals};
pub(crate) use behaviour::{Behaviour, Reply};
pub(crate) use client::{Answer, Connection, Protocol, get, open_raw, post, send};
pub(crate) use load::Load;
pub(crate) use names::Names;
pub(crate) use ports::fresh_address;
pub(crate) use process::Process;
pub(crate) use reference_worker::ReferenceWorker;
pub(crate) use served_apart::ServedApart;
pub(crate) use setup::Setup;
pub(crate) use site::{Site, artefact, envoy};
pub(crate) use slotway::{READY_WITHIN, Slotway};
pub(crate) use tls::Authority;
pub(crate) use until::{SOON, until};
pub(crate) use worker::TestWorker;
pub(crate) use worker_body::WorkerBody;
