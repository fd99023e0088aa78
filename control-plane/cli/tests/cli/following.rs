//! `get --watch`: with events, and by polling without them.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
};

use serde_json::{Value, json};

use crate::{
    fake_plane::FakePlane,
    installation::{Running, wait_for},
};

struct Watch {
    _running: Running,
    directory: tempfile::TempDir,
}

impl Watch {
    fn begin(plane: &FakePlane, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(directory.path().join(name)).unwrap();
        let mut command = plane.slotway(arguments);
        let child = command.stdout(file("out")).stderr(file("err")).stdin(Stdio::null()).spawn().unwrap();
        Self { _running: Running(child), directory }
    }

    fn read(&self, name: &str) -> String {
        let path: PathBuf = self.directory.path().join(name);
        fs::read_to_string(path).unwrap()
    }

    /// Waits for a complete line that contains this text.
    fn line(&self, has: &str) -> String {
        wait_for(has, || {
            let text = self.read("out");
            let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            whole.map(str::to_owned).find(|line| line.contains(has))
        })
    }
}

const WORKER: &str = "http://127.0.0.1:9001";

#[test]
fn each_change_is_a_line_as_it_comes() {
    let plane = FakePlane::start();
    let watch = Watch::begin(&plane, &["get", "workers", "-w"]);
    watch.line("9001");
    wait_for("a listener", || (plane.listeners() > 0).then_some(()));
    plane.tell("figures", &json!({ "workers": [{ "name": WORKER, "status": { "state": "active", "in_flight": 3, "free": 0 } }] }));
    let line = watch.line("3         3          0");
    assert!(line.starts_with(WORKER), "{line}");
    let made = json!({ "kind": "Worker", "metadata": { "name": "http://new" }, "spec": { "capacity": 9 }, "status": { "state": "pending" } });
    plane.tell("changed", &json!({ "kind": "Worker", "name": "http://new", "action": "created", "who": "ada", "resource": made }));
    watch.line("pending");
    plane.tell(
        "changed",
        &json!({ "kind": "Worker", "name": WORKER, "action": "deleted", "who": "ada", "resource": null }),
    );
    watch.line("deleted");
    // Repeated and unrelated events print no line.
    plane.tell("changed", &json!({ "kind": "Worker", "name": "http://new", "action": "changed", "who": "ada", "resource": made }));
    plane.tell(
        "changed",
        &json!({ "kind": "Pool", "name": "ocr", "action": "changed", "who": "ada", "resource": {} }),
    );
    plane.tell("news", &json!({ "of": "tomorrow" }));
    plane.kept().put(
        "workers",
        json!({ "kind": "Worker", "metadata": { "name": "http://last" }, "spec": {}, "status": {} }),
    );
    plane.tell("resync", &json!({}));
    watch.line("http://last");
    let text = watch.read("out");
    assert_eq!(
        text.lines().filter(|line| line.starts_with("http://new")).count(),
        2,
        "created, and deleted with the resync: {text}"
    );
}

#[test]
fn a_filtered_watch_uses_the_filter_of_the_control_plane() {
    let plane = FakePlane::start();
    let watch = Watch::begin(&plane, &["get", "workers", "-w", "--state", "parked", "-o", "json"]);
    let first: Value = serde_json::from_str(&watch.line("9002")).unwrap();
    assert_eq!((&first["action"], &first["resource"]["status"]["state"]), (&"is".into(), &"parked".into()));
    wait_for("a listener", || (plane.listeners() > 0).then_some(()));
    plane.kept().get("workers", WORKER)["status"]["state"] = "parked".into();
    plane.tell("figures", &json!({ "workers": [{ "name": WORKER, "status": { "state": "parked" } }] }));
    assert!(watch.line("9001").contains("created"));
    plane.kept().get("workers", WORKER)["status"]["state"] = "active".into();
    plane.tell("figures", &json!({ "workers": [{ "name": WORKER, "status": { "state": "active" } }] }));
    assert!(watch.line("deleted").contains("9001"));
}

#[test]
fn without_events_the_control_plane_is_polled() {
    let plane = FakePlane::start();
    plane.kept().has_events = false;
    let watch = Watch::begin(&plane, &["get", "pools", "-w"]);
    watch.line("/ocr");
    plane.kept().get("pools", "ocr")["status"]["waiting"] = 77.into();
    watch.line("77");
}

#[test]
fn a_watch_survives_an_outage_of_the_control_plane() {
    let plane = FakePlane::start();
    let watch = Watch::begin(&plane, &["get", "pools", "-w"]);
    watch.line("/ocr");
    wait_for("a listener", || (plane.listeners() > 0).then_some(()));
    plane.kept().get("pools", "ocr")["status"]["waiting"] = 78.into();
    plane.cut_events();
    watch.line("78");
    assert!(
        watch.read("err").contains("the stream of events has ended. Trying again"),
        "{}",
        watch.read("err")
    );
}
