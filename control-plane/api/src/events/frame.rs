use axum::body::Bytes;
use serde::Serialize;

/// One event as it is sent. JSON has no line feeds of its own, so its data is one line.
pub(super) fn event<T: Serialize>(name: &str, id: Option<u64>, data: &T) -> String {
    // What is sent are plain values, which can always be written.
    let data = serde_json::to_string(data).unwrap_or_default();
    match id {
        Some(id) => format!("id: {id}\nevent: {name}\ndata: {data}\n\n"),
        None => format!("event: {name}\ndata: {data}\n\n"),
    }
}

/// A comment, which keeps a connection from looking dead; with the revision up to which all was told, so that whoever comes again begins there.
pub(super) fn comment(revision: u64) -> Bytes {
    Bytes::from(format!("id: {revision}\n: nothing new\n\n"))
}

/// That too much was missed up to this revision: read everything anew.
pub(super) fn resync(revision: u64) -> Bytes {
    Bytes::from(event("resync", Some(revision), &serde_json::json!({})))
}
