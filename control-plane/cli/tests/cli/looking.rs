//! `get`, `describe`, `proxy-status`, `audit`, `top --once` and `version`, with a control plane that does not change.

use serde_json::{Value, json};

use crate::{
    fake_plane::{FakePlane, TOKEN},
    golden::{golden, masked, told},
    installation::{stderr, stdout},
};

#[test]
fn the_output_of_reads_matches_the_golden_files() {
    let plane = FakePlane::start();
    let port = plane.port.to_string();
    for (name, arguments) in [
        ("workers", ["get", "workers"].as_slice()),
        ("workers-wide", &["get", "workers", "-o", "wide"]),
        ("workers-yaml", &["get", "workers", "-o", "yaml"]),
        ("workers-json", &["get", "workers", "-o", "json"]),
        ("workers-name", &["get", "workers", "-o", "name"]),
        ("worker-yaml", &["get", "worker", "http://127.0.0.1:9001", "-o", "yaml"]),
        ("pools", &["get", "pools"]),
        ("pools-wide", &["get", "pools", "-o", "wide"]),
        ("policies", &["get", "policies"]),
        ("coordinators", &["get", "coordinators", "-o", "wide"]),
        ("users", &["get", "users"]),
        ("describe-worker", &["describe", "worker", "http://127.0.0.1:9001"]),
        ("describe-parked", &["describe", "worker/http://127.0.0.1:9002"]),
        ("describe-unknown", &["describe", "worker", "https://ocr.example/extractor-web"]),
        ("describe-pool", &["describe", "pool", "preannotation"]),
        ("describe-policy", &["describe", "policy", "ocr"]),
        ("describe-coordinator", &["describe", "coordinator", "edge-1"]),
        ("proxy-status", &["proxy-status"]),
        ("proxy-status-exit", &["proxy-status", "edge-1", "-o", "wide", "--exit-code"]),
        ("audit", &["audit"]),
        ("top", &["top", "--once"]),
        ("top-piped", &["top", "--pool", "ocr"]),
        ("version", &["version"]),
    ] {
        let text = told(arguments, &plane.run(arguments));
        golden(&format!("looking/{name}.txt"), &masked(&text, &[(&port, "PORT")]));
    }
}

#[test]
fn workers_are_filtered_by_label_pool_and_state() {
    let plane = FakePlane::start();
    for (arguments, names) in [
        (["-l", "gpu=a100"].as_slice(), "worker/http://127.0.0.1:9001\n"),
        (&["-l", "gpu=a100,rack=7"], "worker/http://127.0.0.1:9001\n"),
        (&["-l", "gpu=a100", "-l", "rack=8"], ""),
        (&["--pool", "ocr"], "worker/https://ocr.example/extractor-web\n"),
        (&["--pool", "preannotation", "--state", "parked"], "worker/http://127.0.0.1:9002\n"),
    ] {
        let mut get = vec!["get", "workers", "-o", "name"];
        get.extend(arguments);
        let output = plane.run(&get);
        assert_eq!(
            (stdout(&output).as_str(), output.status.code()),
            (names, Some(0)),
            "{arguments:?} {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_list_of_many_pages_is_one_list() {
    let plane = FakePlane::start();
    {
        let mut kept = plane.kept();
        kept.page = 7;
        for n in 0..100 {
            kept.put("workers", json!({ "kind": "Worker", "metadata": { "name": format!("http://w:{n}") }, "spec": {}, "status": {} }));
        }
    }
    let names = stdout(&plane.run(&["get", "workers", "-o", "name"]));
    assert_eq!(names.lines().count(), 103);
}

#[test]
fn applying_the_yaml_output_changes_nothing() {
    let plane = FakePlane::start();
    for kind in ["workers", "pools", "policies"] {
        for format in ["yaml", "json"] {
            let printed = stdout(&plane.run(&["get", kind, "-o", format]));
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), printed).unwrap();
            let applied = plane.run(&["apply", "-f", file.path().to_str().unwrap()]);
            let lines = stdout(&applied);
            assert!(
                !lines.is_empty() && lines.lines().all(|line| line.ends_with(" unchanged")),
                "{kind}: {lines}{}",
                stderr(&applied)
            );
        }
    }
}

#[test]
fn flags_override_the_environment_and_the_token_comes_from_the_named_source() {
    let plane = FakePlane::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "another-token-0123456789\n").unwrap();
    let here = format!("http://127.0.0.1:{}", plane.port);
    let last = |plane: &FakePlane| plane.kept().asked.last().unwrap().2.clone();

    // The environment names an address where no control plane listens.
    let output =
        plane.slotway(&["get", "pools", "--api", &here]).env("SLOTWAY_API", "127.0.0.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(last(&plane), Some(format!("Bearer {TOKEN}")));

    let output = plane.run(&["get", "pools", "--token-file", file.to_str().unwrap()]);
    assert_eq!(
        (output.status.code(), last(&plane)),
        (Some(4), Some("Bearer another-token-0123456789".to_owned()))
    );

    // The admin token in a state directory, as `up` writes it.
    let state = directory.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("admin-token"), TOKEN).unwrap();
    let mut get = plane.slotway(&["get", "pools", "--state-directory", state.to_str().unwrap()]);
    assert_eq!(get.env_remove("SLOTWAY_TOKEN").output().unwrap().status.code(), Some(0));
    assert_eq!(last(&plane), Some(format!("Bearer {TOKEN}")));

    let mut get = plane.slotway(&["get", "pools"]);
    assert_eq!(
        get.env_remove("SLOTWAY_TOKEN").current_dir(directory.path()).output().unwrap().status.code(),
        Some(0)
    );
    assert_eq!(last(&plane), None, "without a state directory no token is sent, and a read needs none");
}

#[test]
fn a_configuration_file_names_the_control_plane_and_its_token() {
    let plane = FakePlane::start();
    let installation = crate::installation::Installation::new();
    let yaml = std::fs::read_to_string(installation.path("f.yaml")).unwrap();
    std::fs::write(
        installation.path("f.yaml"),
        yaml.replace(&installation.ports[1].to_string(), &plane.port.to_string()),
    )
    .unwrap();
    std::fs::create_dir(installation.path("state")).unwrap();
    std::fs::write(installation.path("state/admin-token"), TOKEN).unwrap();
    for flag in ["-f", "--file", "-c", "--config"] {
        let output = installation.run(&["get", "pools", flag, "f.yaml"]);
        assert_eq!(output.status.code(), Some(0), "{flag}: {}", stderr(&output));
        assert_eq!(plane.kept().asked.last().unwrap().2, Some(format!("Bearer {TOKEN}")));
    }
    let mut get = installation.slotway(&["get", "pools"]);
    assert_eq!(get.env("SLOTWAY_CONFIG", "f.yaml").output().unwrap().status.code(), Some(0));
}

#[test]
fn names_are_completed_from_existing_resources() {
    let plane = FakePlane::start();
    let complete = |words: &[&str]| {
        let mut command = plane.slotway(&["--"]);
        command.args(words).env("SLOTWAY_COMPLETE", "bash").env("_CLAP_IFS", "\n");
        command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
        command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "false");
        stdout(&command.output().unwrap()).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["slotway", "drain", "https"]), ["https://ocr.example/extractor-web"]);
    assert_eq!(
        complete(&["slotway", "get", "pools", ""]).iter().filter(|word| !word.starts_with('-')).count(),
        2
    );
    assert!(complete(&["slotway", "get", "po"]).starts_with(&["pools".to_owned(), "policies".to_owned()]));
    assert!(complete(&["slotway", "dr"]).contains(&"drain".to_owned()));
}

#[test]
fn unknown_fields_of_a_newer_control_plane_are_shown() {
    let plane = FakePlane::start();
    plane.kept().get("workers", "http://127.0.0.1:9001")["status"]["novelty"] = json!({ "of": "tomorrow" });
    let json: Value =
        serde_json::from_str(&stdout(&plane.run(&["get", "worker", "http://127.0.0.1:9001", "-o", "json"])))
            .unwrap();
    assert_eq!(json["status"]["novelty"]["of"], "tomorrow");
    let words = stdout(&plane.run(&["describe", "worker", "http://127.0.0.1:9001"]));
    assert!(words.contains("Novelty of:"), "{words}");
}
