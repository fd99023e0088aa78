//! A running control plane whose database is unavailable or whose disk is full.

use std::process::Stdio;

use serde_json::Value;
use slotway_test_postgres::{PASSWORD, Postgres, SmallDisk};

use crate::{
    http::{NOBODY, send},
    installation::{Installation, Running, stderr, wait_for},
};

const LIST: &str =
    r#"[{"worker": "http://new-1", "capacity": 2}, {"worker": "http://new-2", "capacity": 2}]"#;

fn post(installation: &Installation, state: &std::path::Path, body: &str) -> (u16, Value) {
    let token = std::fs::read_to_string(state.join("admin-token")).unwrap();
    send(installation.ports[1], "POST", "/coordinator/workers", &token, body).unwrap()
}

fn get(installation: &Installation, path: &str) -> (u16, Value) {
    send(installation.ports[1], "GET", path, NOBODY, "").unwrap()
}

fn workers(installation: &Installation) -> usize {
    let (status, rows) = get(installation, "/coordinator/workers");
    assert_eq!(status, 200);
    rows.as_array().unwrap().len()
}

fn is_ready(installation: &Installation) -> Option<()> {
    let (status, _) = send(installation.ports[1], "GET", "/readyz", NOBODY, "")?;
    (status == 200).then_some(())
}

#[test]
fn while_postgresql_is_gone_reads_go_on_changes_are_refused_and_readyz_says_so() {
    let mut postgres = Postgres::start();
    let installation = Installation::new();
    let state = installation.path("state");
    let log = std::fs::File::create(installation.path("log")).unwrap();
    let mut serve = installation.slotway(&["serve", "-f", "f.yaml", "--filter", "filter.wasm"]);
    serve.env("SLOTWAY_STORE", postgres.url()).env("SLOTWAY_LOG", "trace");
    let serve = serve.stdout(log.try_clone().unwrap()).stderr(log).spawn();
    let _serve = Running(serve.unwrap());
    wait_for("ready", || is_ready(&installation));
    assert_eq!(
        get(&installation, "/readyz/store"),
        (200, Value::String("store: takes changes\n".to_owned()))
    );

    postgres.stop();
    let text = wait_for("not ready, and why", || {
        let (status, text) = get(&installation, "/readyz");
        let text = text.as_str().unwrap().to_owned();
        (status == 503 && text.contains("Connection refused")).then_some(text)
    });
    assert!(
        text.starts_with("not ready\n") && text.contains("xds: served\nstore: refuses changes for "),
        "{text}"
    );
    assert_eq!(get(&installation, "/readyz/xds").0, 200);
    assert_eq!(get(&installation, "/healthz").0, 200);
    let (status, problem) = post(&installation, &state, LIST);
    assert_eq!((status, &problem["type"]), (503, &Value::from("urn:slotway:problem:store")));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with(&postgres.url_without_password()), "{detail}");
    assert_eq!(get(&installation, "/api/v1/audit").0, 503);
    assert_eq!(workers(&installation), 1, "reads continue");

    postgres.start_again();
    wait_for("ready again", || is_ready(&installation));
    assert_eq!(post(&installation, &state, LIST).0, 200);
    assert_eq!(workers(&installation), 3);
    let log = std::fs::read_to_string(installation.path("log")).unwrap();
    assert!(log.contains("changes are refused from now on") && log.contains("takes changes again"), "{log}");
    let shown = |text: &str| text.contains(PASSWORD) || text.contains("hush%2Fhush");
    assert!(!shown(&log) && !shown(&format!("{problem} {text}")), "the password is shown");
}

#[test]
fn on_a_full_disk_changes_are_refused_whole_and_all_else_goes_on() {
    let installation = Installation::new();
    let disk = SmallDisk::new(installation.path("disk"), 2 * 1024 * 1024);
    let slotway = env!("CARGO_BIN_EXE_slotway");
    let mut serve =
        disk.run(&format!("exec '{slotway}' serve -f f.yaml --filter filter.wasm --state disk/state"));
    serve.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    let serve = serve.current_dir(installation.directory.path()).stdout(Stdio::null()).spawn();
    let serve = Running(serve.unwrap());
    let pid = serve.0.id();
    wait_for("ready", || is_ready(&installation));
    let state = disk.seen_by(pid).join("state");
    let many: Vec<_> = (0..2_000).map(|n| format!(r#"{{"worker": "http://w{n}", "capacity": 1}}"#)).collect();
    let many = format!("[{}]", many.join(","));

    disk.fill(pid);
    for _ in 0..3 {
        let (status, problem) = post(&installation, &state, &many);
        assert_eq!(
            (status, &problem["type"]),
            (507, &Value::from("urn:slotway:problem:store-full")),
            "{problem}"
        );
        assert!(problem["detail"].as_str().unwrap().contains("nothing was changed"), "{problem}");
        assert_eq!(workers(&installation), 1);
    }
    // A small write may still succeed, and the control plane is ready again until the next failed write.
    wait_for("not ready, and why", || {
        assert_eq!(post(&installation, &state, &many).0, 507);
        let (status, text) = get(&installation, "/readyz");
        let says_why = text.as_str().is_some_and(|text| text.contains("the database has no room left"));
        (status == 503 && says_why).then_some(())
    });
    let (_, audit) = get(&installation, "/api/v1/audit?who=admin%20token");
    assert_eq!(audit["changes"], Value::Array(Vec::new()));

    disk.make_room(pid);
    wait_for("ready again", || is_ready(&installation));
    assert_eq!(post(&installation, &state, LIST).0, 200);
    assert_eq!(workers(&installation), 3);
}

#[test]
fn a_store_that_cannot_be_used_stops_the_start_with_the_reason() {
    let installation = Installation::new();
    for (url, code, says) in [
        (
            "postgres://u:hush@127.0.0.1:1/d",
            1,
            "slotway: postgres://u@127.0.0.1:1/d: the database cannot be used: ",
        ),
        (
            "mysql://u:hush@127.0.0.1/d",
            2,
            "slotway: store: this is neither `sqlite` nor a URL that begins with",
        ),
        ("postgres://u:hush@127.0.0.1:port/d", 2, "slotway: store: this is no URL of a database"),
    ] {
        let mut serve = installation.slotway(&["serve", "-f", "f.yaml", "--filter", "filter.wasm"]);
        let output = serve.env("SLOTWAY_STORE", url).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{url}: {}", stderr(&output));
        assert!(
            stderr(&output).starts_with(says) && stderr(&output).lines().count() == 1,
            "{}",
            stderr(&output)
        );
        assert!(!stderr(&output).contains("hush"), "{}", stderr(&output));
    }
    let help = installation
        .slotway(&["serve", "--help"])
        .env("SLOTWAY_STORE", "postgres://u:hush@h/d")
        .output()
        .unwrap();
    assert!(!format!("{help:?}").contains("hush"));
}
