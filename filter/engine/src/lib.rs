//! The slot queue and its policies.
//!
//! A pool's state is one small [`Root`] and a set of pages. A transition reads the root, may read and change a few pages, and
//! returns a new root. It is a pure function: no clock (each call gets `now_ms`), no I/O, no host.
//!
//! The keeper of the state (Envoy's shared data, a simulator, a browser) commits a transition by exchanging the root in one
//! compare-and-swap. The root carries the pages that its transition changed ([`Image::log`]). The next reader stores these
//! pages before it does anything else, so one exchange commits all of them. See `docs/ARCHITECTURE.md`.
//!
//! At any instant there are free slots or waiters, never both (a dual queue):
//!
//! * [`PoolTransition::take`] takes the slot at the head, or a place in the line, or is refused;
//! * [`PoolTransition::release`] gives a slot to the longest waiter, else to the tail of the queue; once, by its [`Serial`];
//! * [`PoolTransition::cancel`] takes a waiter out of the line;
//! * [`PoolTransition::reconcile`] changes capacities;
//! * [`PoolTransition::probe`] tries workers again that could not be reached.
//!
//! The cost of taking and releasing does not grow with workers, slots or waiters. Both ends of the queue and of the line are
//! in the root. The rest is in pages of [`CHUNK`] entries, and one page is used every [`CHUNK`] operations.

mod abort;
mod capacity;
mod chunk_queue;
mod codec;
mod ids;
mod image;
mod interleave;
mod ledger;
mod limits;
mod line;
mod outcome;
mod page;
mod parking;
mod rate;
mod recovery;
mod root;
mod survey;
mod transition;
mod worker_table;

pub use abort::Abort;
pub use capacity::{DesiredWorker, Reconciled};
pub use chunk_queue::{CHUNK, RING_PAGES};
pub use ids::{LaneId, ProbeTerm, Serial, Ticket, WorkerIndex};
pub use image::{FORMAT, Image};
pub use interleave::interleave;
pub use ledger::{LEDGER_PAGES, LedgerEntry};
pub use outcome::ReleaseOutcome;
pub use page::{Page, PageId, PageSource, Region};
pub use parking::{PROBE_FIRST_MS, PROBE_MAX_MS, backoff_ms};
pub use root::Root;
pub use survey::{Survey, WorkerSurvey, WorkerSurveyState};
pub use transition::{Grant, PoolTransition, RefusalReason, Take, TakeRequest};
