use axum::body::Bytes;
use serde::Serialize;

/// Returns one serialized event. Serialized JSON has no line feeds, so its data is one line.
pub(super) fn event<T: Serialize>(name: &str, id: Option<u64>, data: &T) -> String {
    // Plain values can always be serialized.
    let data = serde_json::to_string(data).unwrap_or_default();
    match id {
        Some(id) => format!("id: {id}\nevent: {name}\ndata: {data}\n\n"),
        None => format!("event: {name}\ndata: {data}\n\n"),
    }
}

/// Returns a comment, which keeps the connection alive. It names the last sent revision, from which a reconnecting
/// listener continues.
pub(super) fn comment(revision: u64) -> Bytes {
    Bytes::from(format!("id: {revision}\n: nothing new\n\n"))
}

/// Returns the event that the listener has missed too many changes up to this revision and must read everything again.
pub(super) fn resync(revision: u64) -> Bytes {
    Bytes::from(event("resync", Some(revision), &serde_json::json!({})))
}
