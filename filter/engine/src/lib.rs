//! The slot queue and its policies.
//!
//! A pool's state is one small [`Root`] and a set of pages. A transition reads the root, may read and change
//! a few pages, and yields a new root; it is a pure function: no clock (each call gets `now_ms`), no I/O, no
//! host. Whoever keeps the state (Envoy's shared data, a simulator, a browser) makes a transition happen by
//! exchanging the root in one compare-and-swap. The root carries the pages that its transition changed
//! ([`Image::log`]), and whoever reads it next writes them out before doing anything else, so one swap
//! commits them all. See `docs/ARCHITECTURE.md`.
//!
//! At any instant there are free slots or waiters, never both (a dual queue):
//!
//! * [`PoolTransition::take`] takes the slot at the head, or a place in the line, or is refused;
//! * [`PoolTransition::release`] gives a slot to the longest waiter, else to the tail of the queue; once, by its [`Serial`];
//! * [`PoolTransition::cancel`] leaves the line; [`PoolTransition::reconcile`] changes capacities; [`PoolTransition::probe`] tries a worker
//!   again.
//!
//! The cost of taking and releasing does not grow with workers, slots or waiters: both ends of the queue and
//! of the line are in the root, the rest lies in pages of [`CHUNK`] entries, one of which is touched every
//! [`CHUNK`] operations.

mod capacity;
mod chunk_queue;
mod codec;
mod image;
mod interleave;
mod ledger;
mod line;
mod page;
mod parking;
mod rate;
mod recovery;
mod root;
mod survey;
mod transition;
mod worker_table;

pub use capacity::{Reconciled, WorkerSpec};
pub use chunk_queue::{CHUNK, RING_PAGES};
pub use image::{FORMAT, Image};
pub use interleave::interleave;
pub use ledger::{LEDGER_PAGES, LedgerEntry, Serial};
pub use page::{Abort, Page, PageId, PageSource, Region};
pub use parking::{PROBE_FIRST_MS, PROBE_MAX_MS, backoff_ms};
pub use root::Root;
pub use survey::{Survey, WorkerSurvey, WorkerSurveyState};
pub use transition::{
    Grant, LaneId, PoolTransition, ProbeTerm, RefusalReason, ReleaseOutcome, Take, TakeRequest, Ticket,
    WorkerIndex,
};
