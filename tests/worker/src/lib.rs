//! The reference worker of Slotway: a small annotator that the demo, the tests and the benchmarks send their requests
//! to.
//!
//! It finds the names of places, people and organizations ([`entities`]) in plain text or HTML ([`AnnotatedDocument`],
//! [`read_html`]) by Aho-Corasick ([`Annotator`]) and answers in the form of the Ontotext CES. So many annotations run
//! at once as its pool has places; more requests queue inside, first come first served. What it counts ([`Stats`])
//! is how tests see from a worker's side that a coordinator keeps to its capacity.
//!
//! | request | answer |
//! |---|---|
//! | `POST /extract` with `text/plain` or `text/html` | 200 with `application/vnd.ontotext.ces+json` |
//! | `GET /extract?text=` | the same for a short text |
//! | `GET /stats`, `POST /stats/reset` | [`Counts`] with the worker's name and the size of its pool |
//! | `GET /healthz` | 200; 503 after `POST /healthz/fail`, until `POST /healthz/recover` |
//!
//! Offsets are characters (Unicode scalar values) of the document as it was given, for HTML too, where a tag or an
//! entity counts with all its characters. White space is read as one space, so that a name is found across a line
//! break; a mention's `name` and `string` are then the name, its offsets the document's.
//!
//! `?timeout=MS` bounds one annotation, from when its text has been read: the time in the worker's queue, the delay and
//! the search. When it has passed the answer is 503 with the reason `timeout` (not 408, which says that the client was
//! slow and which some clients take for leave to send the request again).
//!
//! A request stops counting before its answer is sent on, so a coordinator that frees a slot at the end of an answer never sees
//! the worker one too full. A client that leaves is noticed at once: what it held is freed.

mod annotator;
mod answer;
mod document;
mod document_body;
mod error;
mod extract;
mod gazetteer;
mod health;
mod html;
mod options;
mod pool;
mod problem;
mod query;
mod server;
mod stats;

pub use annotator::{Annotation, Annotator, MENTIONS_MAX, Mention};
pub use answer::MENTIONS_TYPE;
pub use document::AnnotatedDocument;
pub use error::WorkerError;
pub use extract::TIMEOUT_MS_MAX;
pub use gazetteer::{Entity, EntityKind, entities};
pub use html::read_html;
pub use options::{BODY_BYTES_LIMIT, Options};
pub use server::{NAME_HEADER, WorkerServer};
pub use stats::{Counts, Outcome, Stats};
