//! What a worker says of its own address.

use slotway_config::WorkerUrl;

/// Returns a reference (`location`) relative to the coordinator, if it names the worker itself: the path behind the worker's base
/// URL. A client that followed the worker's own address would go around the queue. `None` for any other reference, which stays
/// as it is.
///
/// The scheme may be another one than the worker's: behind a proxy that terminates TLS, a worker may be told so.
#[must_use]
pub fn relative_to<'a>(worker: &WorkerUrl, location: &'a str) -> Option<&'a str> {
    let (scheme, rest) = location.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    if !authority.eq_ignore_ascii_case(worker.authority()) {
        return None;
    }
    let below = path.strip_prefix(worker.path_prefix())?;
    match below.as_bytes().first() {
        Some(b'/') => Some(below),
        None => Some("/"),
        // `http://worker?query`, or another path that only begins like the base URL's.
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_to_the_worker_becomes_one_to_the_coordinator_and_others_stay() {
        for (worker, location, relative) in [
            ("http://w1:9001", "http://w1:9001/items/", Some("/items/")),
            ("http://w1:9001", "HTTP://W1:9001/items/?a=b#c", Some("/items/?a=b#c")),
            ("http://w1:9001", "https://w1:9001/x", Some("/x")),
            ("http://w1:9001", "http://w1:9001", Some("/")),
            ("http://w1:9001/base", "http://w1:9001/base/items", Some("/items")),
            ("http://w1:9001/base", "http://w1:9001/base", Some("/")),
            ("http://w1:9001/base", "http://w1:9001/based", None),
            ("http://w1:9001/base", "http://w1:9001/other", None),
            ("http://w1:9001", "http://w2:9001/items", None),
            ("http://w1:9001", "http://w1:90011/items", None),
            ("http://w1:9001", "http://w1/items", None),
            ("http://w1:9001", "/items/", None),
            ("http://w1:9001", "//w1:9001/items", None),
            ("http://w1:9001", "ftp://w1:9001/items", None),
            ("http://w1:9001", "", None),
        ] {
            let worker: WorkerUrl = worker.parse().unwrap();
            assert_eq!(relative_to(&worker, location), relative, "{worker}: {location}");
        }
    }
}
