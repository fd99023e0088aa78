//! `slotway xds watch` with a running control plane.

use std::{fs::File, process::Stdio};

use serde_json::Value;

use crate::{
    http::{NOBODY, send},
    installation::{Installation, Running, stderr, wait_for},
};

#[test]
fn the_resources_for_agents_and_their_changes_are_printed() {
    let installation = Installation::new();
    let mut serve = installation.slotway(&["serve", "-f", "f.yaml", "--filter", "filter.wasm"]);
    let _serving = Running(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let api = installation.ports[1];
    wait_for("an answer", || send(api, "GET", "/readyz", NOBODY, "").filter(|(status, _)| *status == 200));

    let printed = installation.path("printed");
    let mut watch = installation.slotway(&["xds", "watch", "server-limits", "-f", "f.yaml"]);
    let _watching = Running(watch.stdout(File::create(&printed).unwrap()).spawn().unwrap());
    let line = |number: usize| {
        wait_for("a line", || {
            let text = std::fs::read_to_string(&printed).unwrap();
            let whole = text.split_inclusive('\n').nth(number).filter(|line| line.ends_with('\n'));
            whole.map(|line| serde_json::from_str::<Value>(line).unwrap())
        })
    };
    let first = line(0);
    assert_eq!(
        (&first["name"], &first["resource"]["servers_max"]),
        (&"slotway".into(), &2.into()),
        "{first}"
    );

    let token = std::fs::read_to_string(installation.path("state/admin-token")).unwrap();
    let limits = r#"{ "spec": { "servers_max": 7, "by_usage": { "training": 3 } } }"#;
    let (status, body) = send(api, "PUT", "/api/v1/server-limits/slotway", token.trim(), limits).unwrap();
    assert_eq!(status, 200, "{body}");
    let second = line(1);
    assert_eq!(second["resource"]["servers_max"], 7, "{second}");
    assert_ne!(first["version"], second["version"]);
}

#[test]
fn a_watch_without_a_control_plane_prints_a_hint() {
    let installation = Installation::new();
    let output = installation.run(&["xds", "watch", "backup-jobs", "-f", "f.yaml"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(stderr(&output).contains("Is the control plane running?"), "{}", stderr(&output));
}
