//! The reference worker of Slotway: a small annotator for the demo, the tests and the benchmarks.
//!
//! It finds the names of places, people and organizations ([`entities`]) in plain text or HTML ([`AnnotatedDocument`],
//! [`read_html`]) by Aho-Corasick ([`Annotator`]) and answers in the form of the Ontotext CES. The size of its pool
//! limits concurrent annotations; further requests queue inside, first come first served. Its counts ([`Stats`]) let
//! tests check from the worker's side that a coordinator keeps to its capacity.
//!
//! | request | answer |
//! |---|---|
//! | `POST /extract` with `text/plain` or `text/html` | 200 with `application/vnd.ontotext.ces+json` |
//! | `GET /extract?text=` | the same for a short text |
//! | `GET /stats`, `POST /stats/reset` | [`Counts`] with the worker's name and the size of its pool |
//! | `GET /healthz` | 200; 503 after `POST /healthz/fail`, until `POST /healthz/recover` |
//!
//! Offsets are characters (Unicode scalar values) of the original document, also for HTML, where a tag or an entity
//! counts with all its characters. White space is read as one space, so that a name is found across a line break. A
//! mention's `name` and `string` are then the name, and its offsets those of the document.
//!
//! `?timeout=MS` bounds one annotation, from when its text has been read: the time in the worker's queue, the delay and
//! the search. After that the answer is 503 with the reason `timeout` (not 408, which means that the client was slow,
//! and after which some clients send the request again).
//!
//! A request stops counting before its answer is sent, so a coordinator that frees a slot at the end of an answer never
//! exceeds the worker's capacity by one. A disconnected client is noticed at once, and its permit is released.

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
