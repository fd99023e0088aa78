//! `/metrics` through a parser of OpenMetrics.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{StatusCode, header};

use crate::fixture::Fixture;

/// A sample: its name, its labels in order, its value.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Parses an exposition into families and samples, or returns the violation (the used subset of OpenMetrics 1.0).
fn parse(text: &str) -> Result<(BTreeMap<String, String>, Vec<Sample>), String> {
    let body = text.strip_suffix("# EOF\n").ok_or("the text does not end with # EOF")?;
    let (mut types, mut helped) = (BTreeMap::new(), BTreeSet::new());
    let (mut samples, mut seen) = (Vec::new(), BTreeSet::new());
    let mut family = String::new();
    for line in body.lines() {
        let wrong = |what: &str| format!("{what}: {line}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or(wrong("no help"))?;
            if help.is_empty() || !helped.insert(name.to_owned()) {
                return Err(wrong("the help is missing or repeated"));
            }
            name.clone_into(&mut family);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or(wrong("no type"))?;
            if name != family || types.insert(name.to_owned(), kind.to_owned()).is_some() {
                return Err(wrong("the type does not follow its help, or is repeated"));
            }
        } else {
            let sample = sample(line).ok_or(wrong("no sample"))?;
            let kind = types.get(&family).ok_or(wrong("a sample without a type"))?;
            let suffixes: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => return Err(wrong("an unknown type")),
            };
            if !suffixes.iter().any(|suffix| sample.name == format!("{family}{suffix}")) {
                return Err(wrong("a sample of another family"));
            }
            if !seen.insert((sample.name.clone(), sample.labels.clone())) {
                return Err(wrong("twice"));
            }
            samples.push(sample);
        }
    }
    Ok((types, samples))
}

fn sample(line: &str) -> Option<Sample> {
    let (name, value) = line.rsplit_once(' ')?;
    let (name, labels) = match name.split_once('{') {
        None => (name, BTreeMap::new()),
        Some((name, labels)) => {
            let labels = labels.strip_suffix('}')?.split("\",");
            let pair = |label: &str| {
                let (name, value) = label.split_once("=\"")?;
                Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
            };
            (name, labels.map(pair).collect::<Option<_>>()?)
        }
    };
    let right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    let value = value.parse().ok()?;
    name.bytes().all(right).then(|| Sample { name: name.to_owned(), labels, value })
}

async fn samples(fixture: &Fixture) -> Vec<Sample> {
    let answer = fixture.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    let kind = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.body.as_str().unwrap();
    parse(text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}")).1
}

fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    samples.iter().find(|sample| sample.name == name && sample.labels == labels).map(|sample| sample.value)
}

#[tokio::test]
async fn all_documented_metrics_exist_and_can_be_parsed() {
    let fixture = Fixture::new().await;
    let all = samples(&fixture).await;
    for name in [
        "process_cpu_seconds_total",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_threads",
        "process_open_fds",
        "slotway_slots",
        "slotway_waiting",
        "slotway_coordinators_connected",
        "slotway_xds_nack_total",
        "slotway_xds_refused_total",
        "slotway_config_generation",
        "slotway_config_reloads_total",
        "slotway_config_last_reload_successful",
        "slotway_config_last_reload_success_timestamp_seconds",
    ] {
        assert!(all.iter().any(|sample| sample.name == name), "{name}");
    }
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(value(&all, "slotway_build_info", &[("version", version)]), Some(1.0));
    assert_eq!(value(&all, "slotway_store_takes_changes", &[]), Some(1.0));
    assert_eq!(value(&all, "slotway_waiting", &[("pool", "ocr")]), Some(0.0));
}

#[tokio::test]
async fn requests_are_counted_by_method_route_and_status_and_by_no_value_of_a_client() {
    let fixture = Fixture::new().await;
    for _ in 0..3 {
        fixture.get("/coordinator/workers").await;
    }
    fixture.post("no json").await;
    for number in 0..50 {
        fixture.get(&format!("/nowhere/{number}")).await;
        fixture.get(&format!("/api/v1/backup-jobs/job-{number}")).await;
        let method = format!("MADE{number}").parse().unwrap();
        fixture.send(method, "/coordinator/workers", &[], "").await;
    }
    let all = samples(&fixture).await;
    let count = |method, route, status| {
        let labels = [("method", method), ("route", route), ("status", status)];
        value(&all, "slotway_api_requests_total", &labels)
    };
    assert_eq!(count("GET", "/coordinator/workers", "200"), Some(3.0));
    assert_eq!(count("POST", "/coordinator/workers", "400"), Some(1.0));
    assert_eq!(count("GET", "(none)", "404"), Some(50.0));
    assert_eq!(count("GET", "/api/v1/backup-jobs/{name}", "404"), Some(50.0));
    assert_eq!(count("other", "/coordinator/workers", "405"), Some(50.0));
    let lines = all.iter().filter(|sample| sample.name == "slotway_api_requests_total").count();
    assert_eq!(lines, 5, "{all:?}");

    let of = [("method", "GET"), ("route", "/coordinator/workers")];
    assert_eq!(value(&all, "slotway_api_request_seconds_count", &of), Some(3.0));
    let buckets: Vec<_> = all
        .iter()
        .filter(|sample| sample.name == "slotway_api_request_seconds_bucket")
        .filter(|sample| of.iter().all(|(name, value)| sample.labels[*name] == *value))
        .map(|sample| sample.value)
        .collect();
    assert!(buckets.is_sorted() && buckets.last() == Some(&3.0), "{buckets:?}");
}

#[tokio::test]
async fn an_answer_has_the_id_of_its_request() {
    let fixture = Fixture::new().await;
    let given = fixture.send(axum::http::Method::GET, "/healthz", &[("x-request-id", "abc-1")], "").await;
    assert_eq!(given.headers["x-request-id"], "abc-1");
    let made = fixture.get("/nothing").await;
    assert_eq!(made.headers["x-request-id"].len(), 32);
}

#[test]
fn the_parser_refuses_what_is_wrong() {
    let right = "# HELP a_b Words.\n# TYPE a_b counter\na_b_total{x=\"1\"} 1\n# EOF\n";
    assert_eq!(parse(right).unwrap().1.len(), 1);
    for wrong in [
        right.replace("# EOF\n", ""),
        right.replace("counter", "gauge"),
        right.replace("counter", "thing"),
        right.replace("a_b_total{", "a_c_total{"),
        right.replace("} 1", "} one"),
        right.replace("} 1\n", "} 1\na_b_total{x=\"1\"} 2\n"),
        right.replace("# HELP a_b Words.\n", ""),
    ] {
        assert!(parse(&wrong).is_err(), "{wrong}");
    }
}
