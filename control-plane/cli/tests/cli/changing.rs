//! `apply`, `diff`, `delete`, `cordon`, `drain`, `set`, `token`, `user`.

use std::{
    fs,
    io::Write,
    process::{Output, Stdio},
};

use serde_json::json;

use crate::{
    fake_plane::FakePlane,
    golden::{golden, masked, told},
    installation::{stderr, stdout, wait_for},
};

const FILE: &str = "\
kind: Worker
metadata:
  name: http://127.0.0.1:9001
  labels: { gpu: a100, rack: '7' }
  notes: behind the door
spec:
  pool: preannotation
  capacity: 5
---
kind: Worker
metadata: { name: http://127.0.0.1:9009 }
spec: { pool: new, capacity: 1 }
---
kind: Pool
metadata: { name: new }
spec: { match: { prefix: /new } }
---
kind: Policy
metadata: { name: ocr }
spec: { free_worker_timeout: 30s }
";

fn in_file(plane: &FakePlane, text: &str, verb: &[&str]) -> (Output, String) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("site.yaml"), text).unwrap();
    let mut arguments = verb.to_vec();
    arguments.extend(["-f", "site.yaml"]);
    let output = plane.slotway(&arguments).current_dir(directory.path()).output().unwrap();
    let text = told(&arguments, &output);
    (output, text)
}

#[test]
fn a_file_is_validated_compared_and_applied() {
    let plane = FakePlane::start();
    let before = plane.kept().resources.clone();
    let mut text = String::new();
    for (verb, code) in [
        (["apply", "--dry-run"].as_slice(), 0),
        (&["apply", "--dry-run", "--exit-code"], 7),
        (&["diff", "--colour", "always"], 7),
    ] {
        let (output, told) = in_file(&plane, FILE, verb);
        assert_eq!(output.status.code(), Some(code), "{verb:?}");
        text.push_str(&told);
    }
    assert_eq!(plane.kept().resources, before, "validation and diff change nothing");
    for verb in [
        ["apply"].as_slice(),
        &["apply"],
        &["diff"],
        &["apply", "-o", "name"],
        &["apply", "-o", "json", "--dry-run"],
    ] {
        let (output, told) = in_file(&plane, FILE, verb);
        assert_eq!(output.status.code(), Some(0), "{verb:?} {}", stderr(&output));
        text.push_str(&told);
    }
    assert_eq!(plane.kept().get("workers", "http://127.0.0.1:9001")["spec"]["capacity"], 5);
    golden("changing/apply.txt", &text);
}

#[test]
fn resources_from_standard_input_are_applied() {
    let plane = FakePlane::start();
    let mut apply = plane.slotway(&["apply", "-f", "-"]);
    let mut child = apply.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(FILE.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output).lines().count(), 4);
}

#[test]
fn a_refusal_names_the_position_in_the_file() {
    let plane = FakePlane::start();
    let before = plane.kept().resources.clone();
    let mut text = String::new();
    for wrong in [
        FILE.replace("capacity: 5", "capacity: 0"),
        FILE.replace("pool: new,", "pool: nowhere,"),
        FILE.replace("free_worker_timeout: 30s", "max_wating: 3"),
    ] {
        let (output, told) = in_file(&plane, &wrong, &["apply"]);
        assert_eq!(output.status.code(), Some(2));
        text.push_str(&told);
    }
    let (output, told) =
        in_file(&plane, &FILE.replace("capacity: 5", "capacity: 0"), &["apply", "-o", "json"]);
    assert_eq!(output.status.code(), Some(2));
    text.push_str(&told);
    assert_eq!(plane.kept().resources, before);
    golden("changing/refused.txt", &text);
}

#[test]
fn a_file_is_deleted_workers_first() {
    let plane = FakePlane::start();
    assert_eq!(in_file(&plane, FILE, &["apply"]).0.status.code(), Some(0));
    plane.kept().get("workers", "http://127.0.0.1:9001")["status"]["in_flight"] = 0.into();
    plane.kept().asked.clear();
    let (output, text) = in_file(&plane, FILE, &["delete"]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    golden("changing/delete.txt", &text);
    let order: Vec<_> =
        plane.kept().asked.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert!(order[0].contains("/workers/") && order[2].contains("/pools/"), "{order:?}");

    let again = in_file(&plane, FILE, &["delete"]);
    assert_eq!(again.0.status.code(), Some(3));
    assert_eq!(stderr(&again.0).lines().count(), 3, "each absent resource has a line: {}", again.1);
    assert_eq!(in_file(&plane, FILE, &["delete", "--ignore-not-found"]).0.status.code(), Some(0));
}

#[test]
fn workers_are_changed_one_after_another() {
    let plane = FakePlane::start();
    let worker = "http://127.0.0.1:9001";
    let mut text = String::new();
    for arguments in [
        ["set", "capacity", worker, "5", "--dry-run"].as_slice(),
        &["set", "capacity", worker, "5"],
        &["set", "capacity", worker, "6", "--if-version", "1"],
        &["cordon", worker, "--reason", "new model"],
        &["uncordon", "worker/http://127.0.0.1:9001"],
        &["drain", worker, "--dry-run"],
        &["drain", "http://127.0.0.1:9002"],
        &["delete", "worker", worker, "--dry-run"],
        &["delete", "worker", worker],
        &["delete", "worker/https://ocr.example/extractor-web"],
        &["cordon", "http://nowhere", "http://127.0.0.1:9002"],
    ] {
        text.push_str(&told(arguments, &plane.run(arguments)));
    }
    golden("changing/workers.txt", &masked(&text, &[(&plane.port.to_string(), "PORT")]));
    assert_eq!(plane.kept().get("workers", worker)["spec"]["capacity"], 5);
}

#[test]
fn a_drain_prints_the_remaining_requests_until_none_is_left() {
    let plane = FakePlane::start();
    let worker = "http://127.0.0.1:9001";
    let directory = tempfile::tempdir().unwrap();
    let progress = directory.path().join("progress");
    let mut drain = plane.slotway(&["drain", worker, "--wait"]);
    let stderr = fs::File::create(&progress).unwrap();
    let child = drain.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let tells = |what: &str| {
        wait_for(what, || fs::read_to_string(&progress).unwrap().contains(what).then_some(()));
    };
    tells("2 requests in flight");
    plane.kept().get("workers", worker)["status"]["in_flight"] = 1.into();
    tells("1 request in flight");
    let drained = json!({ "state": "drained", "in_flight": 0 });
    plane.kept().get("workers", worker)["status"] = drained;
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        stdout(&output),
        "worker/http://127.0.0.1:9001 draining\nworker/http://127.0.0.1:9001 drained\n"
    );
}

#[test]
fn a_wait_that_times_out_exits_with_8() {
    let plane = FakePlane::start();
    let worker = "http://127.0.0.1:9001";
    for (arguments, told) in [
        (["drain", worker, "--wait", "--timeout", "1ms"], "is not drained (2 requests in flight) after 1ms"),
        (
            ["delete", "worker/http://127.0.0.1:9001", "--wait", "--timeout", "1ms"],
            "is not deleted (2 requests in flight) after 1ms",
        ),
    ] {
        let output = plane.run(&arguments);
        assert_eq!(output.status.code(), Some(8), "{}", stderr(&output));
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
}

#[test]
fn a_delete_waits_until_the_worker_is_gone() {
    let plane = FakePlane::start();
    let worker = "http://127.0.0.1:9001";
    let mut delete = plane.slotway(&["delete", "worker", worker, "--wait"]);
    let child = delete.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let looks = || {
        plane.kept().asked.iter().filter(|(method, path, _)| method == "GET" && path.contains("9001")).count()
    };
    wait_for("two looks", || (looks() >= 2).then_some(()));
    plane.kept().resources.remove(&("workers".to_owned(), worker.to_owned()));
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        stdout(&output),
        "worker/http://127.0.0.1:9001 draining\nworker/http://127.0.0.1:9001 deleted\n"
    );
}

#[test]
fn token_create_prints_only_the_secret_on_standard_output() {
    let plane = FakePlane::start();
    let output = plane.run(&["token", "create", "autoscaler", "--scope", "workers", "--expires-in", "720h"]);
    assert_eq!(stdout(&output), "slotway_0123456789abcdef\n", "{}", stderr(&output));
    assert!(stderr(&output).contains("Its secret cannot be shown again"));
    assert_eq!(
        plane.kept().get("tokens", "autoscaler")["spec"],
        json!({ "scope": "workers", "expires_in": "720h" })
    );
    let listed = stdout(&plane.run(&["token", "list"]));
    assert!(listed.contains("autoscaler  workers"), "{listed}");
    assert_eq!(stdout(&plane.run(&["token", "delete", "autoscaler"])), "token/autoscaler deleted\n");
    assert_eq!(plane.run(&["token", "delete", "autoscaler"]).status.code(), Some(3));
}

#[test]
fn users_are_created_with_a_password_from_standard_input() {
    let plane = FakePlane::start();
    let with = |arguments: &[&str], password: &str| {
        let mut command = plane.slotway(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(password.as_bytes());
        child.wait_with_output().unwrap()
    };
    let output =
        with(&["user", "create", "grace", "--role", "admin", "--password-stdin"], "a long pass phrase\n");
    assert_eq!(stdout(&output), "user/grace created\n", "{}", stderr(&output));
    assert_eq!(plane.kept().get("users", "grace")["spec"]["role"], "admin");

    let again = with(&["user", "create", "grace"], "another pass phrase\n");
    assert_eq!(again.status.code(), Some(5), "an existing user is not created again: {}", stderr(&again));
    assert_eq!(with(&["user", "create", "alan"], "").status.code(), Some(2), "no password");
    assert_eq!(
        stdout(&with(&["user", "passwd", "grace"], "a third pass phrase")),
        "user/grace has another password\n"
    );
    assert_eq!(with(&["user", "passwd", "nobody"], "x").status.code(), Some(3));
    assert_eq!(
        stdout(&plane.run(&["user", "delete", "grace", "ada"])),
        "user/grace deleted\nuser/ada deleted\n"
    );
}
