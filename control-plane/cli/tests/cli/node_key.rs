//! The key of the cluster: where it is, and what it is used for.

use std::{fs, os::unix::fs::PermissionsExt};

use slotway_test_postgres::Postgres;

use crate::{
    http::{NOBODY, send, send_with},
    installation::{Installation, stderr},
};

const STORE: &str = "store: postgres://slotway@postgres.example/slotway";

/// Returns the status of a report of `envoy` that is no report: 400 if the key is right.
fn status(installation: &Installation, headers: &[(&str, String)]) -> u16 {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    send_with(installation.ports[2], "POST", "/coordinator/report", &headers, "{}").unwrap().0
}

#[test]
fn the_key_is_made_at_the_first_need_for_its_owner_alone_and_stays() {
    let installation = Installation::new();
    let file = installation.path("state/node-key");
    let output = installation.run(&["bootstrap", "-f", "f.yaml"]);
    assert!(stderr(&output).contains("state/node-key is new"), "{}", stderr(&output));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(installation.path("state").metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let key = fs::read_to_string(&file).unwrap();
    assert_eq!(key.len(), 64);

    let own = installation.node_headers("envoy");
    assert_eq!(stderr(&installation.run(&["bootstrap", "-f", "f.yaml"])), "");
    let _serving = installation.serving(&[]);
    assert_eq!(fs::read_to_string(&file).unwrap(), key);
    assert_eq!(status(&installation, &own), 400);
    assert_eq!(send(installation.ports[2], "POST", "/coordinator/report", NOBODY, "{}").unwrap().0, 403);
    assert!(!installation.log().contains(&key) && !installation.log().contains(&own[1].1));
}

#[test]
fn control_planes_with_the_same_file_accept_each_others_bootstraps() {
    let (one, other, third) = (Installation::new(), Installation::new(), Installation::new());
    let common = one.path("common.key");
    fs::write(&common, format!("{}\n", "0123456789abcdef".repeat(4))).unwrap();
    for installation in [&one, &other] {
        installation.also(&format!("node_key_file: {}", common.display()));
    }
    let _serving = one.serving(&[]);
    assert_eq!(status(&one, &other.node_headers("envoy")), 400);
    assert_eq!(status(&one, &third.node_headers("envoy")), 403);
    assert!(!one.path("state/node-key").exists());
}

#[test]
fn a_named_file_is_not_made_and_has_to_hold_a_key() {
    let installation = Installation::new();
    installation.also("node_key_file: common.key");
    for (text, says) in [(None, "common.key: No such file"), (Some("short"), "openssl rand -hex 32")] {
        if let Some(text) = text {
            fs::write(installation.path("common.key"), text).unwrap();
        }
        for arguments in
            [&["bootstrap", "-f", "f.yaml"][..], &["serve", "-f", "f.yaml", "--filter", "filter.wasm"]]
        {
            let output = installation.run(arguments);
            assert_ne!(output.status.code(), Some(0), "{arguments:?}");
            assert!(stderr(&output).contains(says), "{arguments:?}: {}", stderr(&output));
        }
    }
}

#[test]
fn a_control_plane_of_several_without_a_common_key_is_warned() {
    let installation = Installation::new();
    let validate = || stderr(&installation.run(&["config", "validate", "f.yaml"]));
    assert_eq!(validate(), "");
    installation.also(STORE);
    let warning = validate();
    assert!(warning.contains("warning: f.yaml: node_key_file: not set"), "{warning}");
    installation.also("node_key_file: common.key");
    assert_eq!(validate(), "");

    let (postgres, installation) = (Postgres::start(), Installation::new());
    let _serving = installation.serving(&[("SLOTWAY_STORE", &postgres.url())]);
    installation.says("node_key_file: not set");
}
