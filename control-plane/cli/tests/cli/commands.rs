use std::fs;

use crate::installation::{Installation, stderr, stdout};

#[test]
fn validate_distinguishes_a_valid_file_from_an_invalid_one() {
    let installation = Installation::new();
    let right = installation.run(&["config", "validate", "f.yaml"]);
    assert_eq!(
        (right.status.code(), stdout(&right).as_str()),
        (Some(0), "f.yaml: right; pools: 1, workers: 1, slots: 2\n")
    );
    fs::write(installation.path("f.yaml"), "pools:\n  - name: p\n    max_wating: 3\n").unwrap();
    let wrong = installation.run(&["config", "validate", "f.yaml"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        stderr(&wrong).starts_with("slotway: f.yaml:3:5: unknown field `max_wating`"),
        "{}",
        stderr(&wrong)
    );
}

#[test]
fn an_invalid_file_stops_up_and_serve_before_anything_starts() {
    let installation = Installation::new();
    fs::write(installation.path("f.yaml"), "pools: []").unwrap();
    for command in ["up", "serve"] {
        let output = installation.run(&[command, "-f", "f.yaml", "--filter", "filter.wasm"]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert_eq!(stderr(&output), "slotway: f.yaml:1:8: pools: at least one pool is required\n");
    }
    assert!(!installation.path("state").exists());
}

#[test]
fn a_flag_overrides_the_environment_which_overrides_the_file() {
    let installation = Installation::new();
    let xds = |flags: &[&str], environment: Option<&str>| {
        let mut command = installation.slotway(&["bootstrap", "-f", "f.yaml", "--node", "edge-1"]);
        command.args(flags).envs(environment.map(|address| ("SLOTWAY_XDS", address)));
        let output = command.output().unwrap();
        let bootstrap: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(bootstrap["node"]["id"], "edge-1");
        let cluster = &bootstrap["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0];
        cluster["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"].as_u64().unwrap()
    };
    assert_eq!(xds(&[], None), u64::from(installation.ports[2]));
    assert_eq!(xds(&[], Some("127.0.0.1:7001")), 7_001);
    assert_eq!(xds(&["--xds", "127.0.0.1:7002"], Some("127.0.0.1:7001")), 7_002);
    let twice = installation.run(&[
        "bootstrap",
        "-f",
        "f.yaml",
        "--xds",
        &format!("127.0.0.1:{}", installation.ports[1]),
    ]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(stderr(&twice).contains("is already the address of `api`"), "{}", stderr(&twice));
}

#[test]
fn get_workers_reports_an_unreachable_control_plane() {
    let installation = Installation::new();
    let output = installation.run(&["get", "workers", "-f", "f.yaml"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(stderr(&output).contains("Is the control plane running?"), "{}", stderr(&output));
}

#[test]
fn the_version_is_printed() {
    let output = Installation::new().run(&["version", "--client"]);
    assert_eq!(stdout(&output), format!("slotway {}\n", env!("CARGO_PKG_VERSION")));
}
