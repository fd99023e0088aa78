//! The log lines about requests, and the secrets that they must not contain.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    http::send,
    installation::{Installation, wait_for},
};

/// Returns the last line of the log about this path.
fn line_about(installation: &Installation, path: &str) -> Value {
    wait_for(path, || {
        let log = installation.log();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.rfind(|line| line["path"] == path && line["message"] == "request")
    })
}

#[test]
fn a_request_is_one_line_of_json_with_who_and_without_secrets() {
    let installation = Installation::new();
    installation.also("log: { format: json, level: debug }");
    let mut serving = installation.serving(&[]);
    let token = installation.token();
    let change = r#"[{"worker": "http://new/hush-body", "capacity": 0}]"#;
    let (status, _) =
        send(installation.ports[1], "POST", "/coordinator/workers?token=hush-query", &token, change).unwrap();
    assert_eq!(status, 400);
    let line = line_about(&installation, "/coordinator/workers");
    assert_eq!(
        (&line["level"], &line["who"], &line["method"], &line["status"]),
        (&"DEBUG".into(), &"admin token".into(), &"POST".into(), &400.into()),
        "{line}"
    );
    assert!(line["ms"].as_f64().is_some_and(|ms| ms >= 0.0), "{line}");
    assert_eq!(line["span"]["route"], "/coordinator/workers", "{line}");
    assert_eq!(line["span"]["id"].as_str().unwrap().len(), 32, "{line}");

    send(installation.ports[1], "GET", "/nothing/here?access_token=hush-query", "hush-wrong-token", "")
        .unwrap();
    let line = line_about(&installation, "/nothing/here");
    assert_eq!((&line["who"], &line["span"]["route"]), (&"-".into(), &"(none)".into()), "{line}");

    serving.signal(Signal::TERM);
    serving.ended();
    let log = installation.log();
    assert!(!log.contains("hush") && !log.contains(&token), "{log}");
    // Only messages for the user who started the process are not JSON.
    let others: Vec<_> = log.lines().filter(|line| !line.starts_with('{')).collect();
    assert!(others.iter().all(|line| line.starts_with("slotway: ")), "{others:?}");
}

#[test]
fn the_log_level_of_a_flag_overrides_the_environment_which_overrides_the_file() {
    let installation = Installation::new();
    installation.also("log: { level: debug }");
    let lines = |variables: &[(&str, &str)], arguments: &[&str]| {
        let log = fs::File::create(installation.path("log")).unwrap();
        let mut serve = installation.slotway(&["serve", "-f", "f.yaml", "--filter", "filter.wasm"]);
        serve.args(arguments).envs(variables.iter().copied()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut serving = crate::installation::Running(serve.spawn().unwrap());
        wait_for("an answer", || send(installation.ports[1], "GET", "/healthz", "none", ""));
        serving.signal(Signal::TERM);
        serving.ended();
        installation.log().lines().filter(|line| line.contains("path=\"/healthz\"")).count()
    };
    assert!(lines(&[], &[]) > 0);
    assert_eq!(lines(&[("SLOTWAY_LOG", "info")], &[]), 0);
    assert!(lines(&[("SLOTWAY_LOG", "info")], &["--log-level", "debug"]) > 0);
}
