//! What is accepted, and what it means.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these files are tests")]

use proptest::prelude::*;
use slotway_config::{FilterConfig, Scheme, WaitDuration, WorkerUrl};

fn url(text: &str) -> WorkerUrl {
    text.parse().unwrap()
}

#[test]
fn a_pool_has_the_documented_defaults() {
    let config = FilterConfig::from_json(br#"{"generation":7,"pools":[{"name":"p"}]}"#).unwrap();
    let pool = &config.pools[0];
    assert_eq!(pool.free_worker_timeout, WaitDuration::from_ms(30_000));
    assert_eq!((pool.max_waiting, pool.matches.prefix.as_str()), (1_024, "/"));
    assert_eq!(pool.abandoned_hold, WaitDuration::ZERO);
}

#[test]
fn a_configuration_is_read_as_it_was_written() {
    let json = br#"{"generation":7,"coordinator":"c","report_cluster":"r","debug_headers":true,"pools":[
        {"name":"p","match":{"prefix":"/ocr"},"free_worker_timeout":0,"workers":[
            {"worker":"HTTPS://Host.Example:443/a/","capacity":3,"protocol":"http2","tls":{"sni":"x"}}]}]}"#;
    let config = FilterConfig::from_json(json).unwrap();
    assert_eq!(FilterConfig::from_json(config.to_json().unwrap().as_bytes()).unwrap(), config);
}

#[test]
fn spellings_of_one_worker_are_one_worker() {
    for spelling in ["http://host", "HTTP://HOST/", "http://host:80", "http://Host:80///"] {
        assert_eq!(url(spelling).as_str(), "http://host", "{spelling}");
    }
    assert_eq!(url("https://host:443/extractor-web/").as_str(), "https://host/extractor-web");
    assert_eq!(url("http://[0:0::1]:9001").as_str(), "http://[::1]:9001");
}

#[test]
fn the_parts_of_a_base_url_are_found() {
    let plain = url("http://10.0.0.1:9001/extractor-web");
    assert_eq!((plain.scheme(), plain.host(), plain.port()), (Scheme::Http, "10.0.0.1", 9001));
    assert_eq!((plain.authority(), plain.path_prefix()), ("10.0.0.1:9001", "/extractor-web"));
    assert!(plain.ip().is_some());
    let named = url("https://ocr.example");
    assert_eq!((named.host(), named.port(), named.path_prefix()), ("ocr.example", 443, ""));
    assert_eq!((named.authority(), named.ip()), ("ocr.example", None));
    let six = url("http://[::1]:9001");
    assert_eq!((six.host(), six.port(), six.authority()), ("::1", 9001, "[::1]:9001"));
}

#[test]
fn durations_are_read_and_written_in_the_largest_unit_that_is_exact() {
    for (text, ms, shown) in [
        ("0", 0, "0s"),
        ("250ms", 250, "250ms"),
        ("90s", 90_000, "90s"),
        ("120s", 120_000, "2m"),
        ("1h", 3_600_000, "1h"),
    ] {
        let duration: WaitDuration = text.parse().unwrap();
        assert_eq!((duration.as_ms(), duration.to_string().as_str()), (ms, shown));
    }
}

#[test]
fn a_match_looks_at_the_path_without_its_query() {
    let config =
        FilterConfig::from_json(br#"{"generation":1,"pools":[{"name":"p","match":{"prefix":"/ocr"}}]}"#)
            .unwrap();
    let matches = &config.pools[0].matches;
    assert!(matches.matches("/ocr") && matches.matches("/ocr/x?y") && matches.matches("/ocrs"));
    assert!(!matches.matches("/a?/ocr") && !matches.matches("/"));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_and_what_it_accepts_is_its_own_normal_form(text in "(https?://)?[a-zA-Z0-9:/\\[\\].@?#-]{0,30}") {
        if let Ok(url) = text.parse::<WorkerUrl>() {
            prop_assert_eq!(&url.as_str().parse::<WorkerUrl>().unwrap(), &url);
            prop_assert!(!url.host().is_empty() && url.port() > 0);
        }
    }

    #[test]
    fn every_duration_is_read_as_it_is_written(ms in 0_u64..=604_800_000) {
        let duration = WaitDuration::from_ms(ms);
        prop_assert_eq!(duration.to_string().parse::<WaitDuration>().unwrap(), duration);
    }
}
