use std::{fs, net::TcpListener, process::Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::installation::{Installation, Running, stderr, stdout, wait_for, wait_until_gone};

/// An Envoy that writes its process id and then does nothing.
const IDLE: &str = "echo $$ > envoy.pid; exec sleep 1000";

#[test]
fn a_taken_port_is_named_before_anything_starts() {
    let installation = Installation::new();
    installation.envoy(IDLE);
    for (setting, port) in ["listen", "api", "xds", "envoy.admin"].into_iter().zip(installation.ports) {
        let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let output = installation.up().output().unwrap();
        let expected = format!(
            "slotway: {setting}: 127.0.0.1:{port} is already in use. Stop what listens there, or set `{setting}` to \
             another address\n"
        );
        assert_eq!((output.status.code(), stderr(&output)), (Some(1), expected));
        assert_eq!(stdout(&output), "");
    }
    assert!(!installation.path("state").exists() && !installation.path("envoy.pid").exists());
}

#[test]
fn a_missing_envoy_or_filter_is_named_with_what_to_do() {
    let installation = Installation::new();
    installation.envoy(IDLE);
    let run = |arguments: &[&str]| {
        let output = installation.slotway(&["up", "-f", "f.yaml"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let line = run(&["--filter", "filter.wasm"]);
    assert!(
        line.starts_with("slotway: Envoy was not found (looked for .tools/envoy")
            && line.contains("make build")
    );
    let line = run(&["--filter", "filter.wasm", "--envoy", "nowhere/envoy"]);
    assert!(line.starts_with("slotway: Envoy was not found (nowhere/envoy is no file)"), "{line}");
    let line = run(&["--envoy", "envoy", "--filter", "nowhere.wasm"]);
    assert!(
        line.starts_with("slotway: the filter was not found (nowhere.wasm is no file); run `make build`"),
        "{line}"
    );
    assert!(!installation.path("state").exists());
}

#[test]
fn an_envoy_that_cannot_start_stops_up_with_the_end_of_its_log() {
    let installation = Installation::new();
    installation.envoy("echo start >> starts; echo 'no such option: --fast' >&2; exit 3");
    let output = installation.up().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(error.contains("slotway: Envoy ended with exit code 3; the end of its log"), "{error}");
    assert!(error.ends_with("no such option: --fast\n"), "{error}");
    assert_eq!(fs::read_to_string(installation.path("starts")).unwrap().lines().count(), 3);
}

#[test]
fn an_envoy_that_dies_is_started_again() {
    let installation = Installation::new();
    installation.envoy("if [ -e once ]; then echo $$ > second.pid; exec sleep 1000; fi; touch once; exit 1");
    let up = Running(installation.up().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let envoy = installation.pid("second.pid");
    drop(up);
    wait_until_gone(envoy);
}

#[test]
fn a_signal_stops_up_and_all_its_children() {
    for signal in [Signal::INT, Signal::TERM] {
        let installation = Installation::new();
        installation.envoy(IDLE);
        let mut up = Running(installation.up().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let envoy = installation.pid("envoy.pid");
        kill_process(Pid::from_child(&up.0), signal).unwrap();
        assert_eq!(up.0.wait().unwrap().code(), Some(0));
        wait_until_gone(envoy);
        // Its ports are free again.
        drop(TcpListener::bind(("127.0.0.1", installation.ports[1])).unwrap());
    }
}

#[test]
fn the_children_of_up_end_even_when_it_is_killed() {
    let installation = Installation::new();
    installation.envoy(IDLE);
    let mut up = Running(installation.up().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let envoy = installation.pid("envoy.pid");
    up.0.kill().unwrap();
    up.0.wait().unwrap();
    wait_until_gone(envoy);
}

#[test]
fn serve_answers_to_get_workers_and_ends_with_a_signal() {
    let installation = Installation::new();
    let serve = installation
        .slotway(&["serve", "-f", "f.yaml", "--filter", "filter.wasm"])
        .stdout(Stdio::null())
        .spawn();
    let mut serve = Running(serve.unwrap());
    let table = wait_for("an answer", || {
        let output = installation.run(&["get", "workers", "-f", "f.yaml"]);
        output.status.success().then(|| stdout(&output))
    });
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let worker = format!("http://127.0.0.1:{}", installation.ports[4]);
    assert_eq!(lines[1], [worker.as_str(), "p", "unknown", "2", "-", "-", "-"]);
    let json = installation.run(&["get", "workers", "-f", "f.yaml", "-o", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(list["items"][0]["metadata"]["name"], worker.as_str());
    kill_process(Pid::from_child(&serve.0), Signal::TERM).unwrap();
    assert_eq!(serve.0.wait().unwrap().code(), Some(0));
}
