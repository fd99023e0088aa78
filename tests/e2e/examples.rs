//! The configurations in `docs/examples`: each is valid, and does what its comments say.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use slotway_test_site::{Authority, READY_WITHIN, TestProcess, artefact, fresh_address};
use tempfile::TempDir;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("docs/examples")
}

fn slotway(arguments: &[&str]) -> Command {
    let mut slotway = Command::new(artefact("SLOTWAY_BIN", "target/release/slotway"));
    slotway.args(arguments);
    slotway
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Copies an example into a directory, and its paths with it: there are certificates and tokens in place of `/etc/slotway`.
fn placed(example: &str) -> (TempDir, String) {
    let directory = TempDir::with_prefix("slotway-example-").unwrap();
    let path = |name: &str| directory.path().join(name);
    let authority = Authority::generate();
    for name in ["ca", "nodes-ca"] {
        authority.write(&path(&format!("{name}.pem")));
    }
    for name in ["api", "xds", "envoy", "node"] {
        authority.write_certificate(
            "localhost",
            &path(&format!("{name}.pem")),
            &path(&format!("{name}-key.pem")),
        );
    }
    fs::write(path("cluster-node.key"), "0123456789abcdef".repeat(4)).unwrap();
    for group in ["gpu", "slotway"] {
        fs::write(path(&format!("{group}.token")), format!("token-of-{group}-0123456789")).unwrap();
    }
    let here = directory.path().display().to_string();
    let yaml = fs::read_to_string(examples().join(example).join("slotway.yaml")).unwrap();
    let yaml = yaml
        .replace("/etc/slotway", &here)
        .replace("/var/lib/slotway", &format!("{here}/state"))
        .replace("/var/log/slotway", &here);
    fs::write(path("slotway.yaml"), yaml).unwrap();
    let file = path("slotway.yaml").display().to_string();
    (directory, file)
}

#[test]
fn each_example_is_valid() {
    let mut folders: Vec<_> = fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() >= 3, "{folders:?}");
    let index = fs::read_to_string(examples().join("README.md")).unwrap();
    for folder in folders {
        let file = folder.join("slotway.yaml");
        succeeds(&slotway(&["config", "validate"]).arg(&file).output().unwrap());
        let name = folder.file_name().unwrap().to_string_lossy();
        assert!(index.contains(&format!("[{name}]({name})")), "docs/examples/README.md does not list {name}");
    }
}

#[tokio::test]
async fn the_example_with_pools_serves_over_tls_and_its_workers_can_be_applied() {
    let (directory, file) = placed("pools");
    let (api, listen, xds, admin) = (fresh_address(), fresh_address(), fresh_address(), fresh_address());
    let mut serve = slotway(&["serve", "-f", &file, "--filter"]);
    serve.arg(artefact("SLOTWAY_FILTER", "target/slotway_filter.wasm"));
    for (flag, address) in [("--api", api), ("--listen", listen), ("--xds", xds), ("--envoy-admin", admin)] {
        serve.args([flag, &address.to_string()]);
    }
    let mut control_plane = TestProcess::start("control-plane", serve, directory.path());
    control_plane.says("serving", READY_WITHIN).await;

    let path = |name: &str| directory.path().join(name).display().to_string();
    let apply = || {
        let workers = examples().join("pools/workers.yaml").display().to_string();
        let api = format!("https://localhost:{}", api.port());
        let (token, ca) = (path("state/admin-token"), path("ca.pem"));
        let arguments =
            ["apply", "-f", &workers, "--api", &api, "--token-file", &token, "--ca-file", &ca, "-o", "json"];
        let output = slotway(&arguments).output().unwrap();
        succeeds(&output)
    };
    let first = apply();
    assert_eq!(first.matches("\"created\"").count(), 3, "{first}");
    let second = apply();
    assert_eq!(second.matches("\"unchanged\"").count(), 3, "{second}");
}

#[test]
fn the_example_with_groups_has_a_bootstrap_for_each_group() {
    let (_directory, file) = placed("several-control-planes");
    for group in ["gpu", "slotway"] {
        let arguments =
            ["bootstrap", "-f", &file, "--xds", "192.0.2.10:18000", "--node", "a", "--group", group];
        let bootstrap = succeeds(&slotway(&arguments).output().unwrap());
        let node = serde_json::from_str::<Value>(&bootstrap).unwrap()["node"].clone();
        assert_eq!(node["cluster"], group);
        assert!(bootstrap.contains(&format!("token-of-{group}-0123456789")), "{bootstrap}");
        assert!(bootstrap.contains("xds.slotway.example"), "{bootstrap}");
    }
}
