//! The verbs with a real control plane: `slotway serve`, with reports from the test in place of an Envoy.

use std::{
    fs::{self, File},
    io::Write,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::{
    golden::{golden, masked, told, without_times},
    http::{NOBODY, send, send_with},
    installation::{Installation, Running, stderr, stdout, wait_for},
};

struct Plane {
    installation: Installation,
    _serving: Running,
}

impl Plane {
    fn start() -> Self {
        let installation = Installation::new();
        let mut serve = installation.slotway(&["serve", "-f", "f.yaml", "--filter", "filter.wasm"]);
        let serving = Running(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let api = installation.ports[1];
        wait_for("an answer", || {
            send(api, "GET", "/readyz", NOBODY, "").filter(|(status, _)| *status == 200)
        });
        Self { installation, _serving: serving }
    }

    fn worker(&self) -> String {
        format!("http://127.0.0.1:{}", self.installation.ports[4])
    }

    /// Reports in place of an Envoy: the number of requests at the worker, of two at once.
    fn report(&self, sequence: u64, in_flight: u64, state: &str) {
        let (_, rows) = send(self.installation.ports[1], "GET", "/coordinator/workers", NOBODY, "").unwrap();
        let capacity = if state == "draining" { 0 } else { 2 };
        let report = json!({
            "coordinator": "envoy", "reporter": 1, "sequence": sequence, "full": true,
            "generation": rows[0]["generation_wanted"],
            "pools": [{
                "pool": "p", "free": 2 - in_flight, "in_flight": in_flight, "parked": 0, "waiting": 3, "oldest_wait_ms": 1_250,
                "workers": [{
                    "worker": self.worker(), "capacity": capacity, "in_flight": in_flight, "free": 2 - in_flight,
                    "parked": 0, "failures": 0, "state": state
                }]
            }]
        });
        let node = self.installation.node_headers("envoy");
        let node: Vec<_> = node.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (xds, report) = (self.installation.ports[2], report.to_string());
        let (status, body) = send_with(xds, "POST", "/coordinator/report", &node, &report).unwrap();
        assert!((200..300).contains(&status), "{status} {body}");
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.installation.slotway(arguments).env("SLOTWAY_CONFIG", "f.yaml").output().unwrap()
    }

    fn told(&self, arguments: &[&str]) -> String {
        told(arguments, &self.run(arguments))
    }

    /// Removes ports, times and secrets.
    fn masked(&self, text: &str) -> String {
        let ports = self.installation.ports.map(|port| port.to_string());
        without_times(&masked(text, &[(&ports[4], "WORKER-PORT"), (&ports[1], "API-PORT")]))
    }
}

/// A pool with its policy, and a worker.
pub(crate) const SITE: &str = "\
kind: Pool
metadata: { name: ocr }
spec: { match: { prefix: /ocr } }
---
kind: Policy
metadata: { name: ocr }
spec: { max_waiting: 5 }
---
kind: Worker
metadata: { name: 'http://127.0.0.1:7', labels: { gpu: a100 }, notes: rack 7 }
spec: { pool: ocr, capacity: 2 }
";

#[test]
fn the_output_of_a_real_control_plane_matches_the_golden_files() {
    let plane = Plane::start();
    plane.report(1, 1, "active");
    let worker = plane.worker();
    let mut text = String::new();
    for arguments in [
        ["get", "workers"].as_slice(),
        &["get", "workers", "-o", "wide"],
        &["get", "pools", "-o", "wide"],
        &["get", "policies"],
        &["get", "policy", "p", "-o", "yaml"],
        &["get", "coordinators"],
        &["get", "worker", &worker, "-o", "name"],
        &["describe", "worker", &worker],
        &["describe", "pool", "p"],
        &["describe", "policy", "p"],
        &["proxy-status"],
        &["top", "--once"],
        &["audit"],
        &["version"],
        &["get", "worker", "http://nowhere"],
        &["get", "pool", "nowhere", "-o", "json"],
        &["get", "workers", "--state", "nonsense"],
    ] {
        text.push_str(&plane.told(arguments));
    }
    golden("real/looking.txt", &plane.masked(&text));
}

/// Returns a manifest with resources of the ordinary kinds.
fn ordinary(worker: &str) -> String {
    format!(
        "\
kind: Server
metadata: {{ name: w1 }}
spec: {{ usage: training, external: '{worker}' }}
---
kind: ServerLimits
metadata: {{ name: slotway }}
spec: {{ servers_max: 3, by_usage: {{ training: 1 }} }}
---
kind: ResourceProfile
metadata: {{ name: gpu }}
spec: {{ memory: 8g, cpus: 1.5, gpus: 1, spark: {{ driver_memory: 4g, kryo_buffer_max: 512m, driver_max_result_size: 0 }} }}
---
kind: BackupJob
metadata: {{ name: nightly }}
spec:
  subject: {{ files: {{ paths: [/srv] }} }}
  schedule: {{ cron: 30 3 * * *, time_zone: UTC }}
  target: {{ s3: {{ bucket: backups, prefix: site }} }}
  retention: {{ last: 14 }}
"
    )
}

#[test]
fn the_ordinary_kinds_are_applied_read_and_deleted() {
    let plane = Plane::start();
    let good = ordinary(&plane.worker());
    fs::write(plane.installation.path("ordinary.yaml"), &good).unwrap();
    fs::write(plane.installation.path("cron.yaml"), good.replace("30 3 * * *", "often")).unwrap();
    fs::write(plane.installation.path("limits.yaml"), good.replace("servers_max: 3", "servers_max: 0"))
        .unwrap();
    let mut text = String::new();
    for arguments in [
        ["apply", "-f", "cron.yaml"].as_slice(),
        &["apply", "-f", "limits.yaml"],
        &["get", "backupjobs"],
        &["apply", "-f", "ordinary.yaml"],
        &["diff", "-f", "ordinary.yaml"],
        &["get", "servers"],
        &["get", "limits", "-o", "wide"],
        &["get", "profiles"],
        &["get", "resource-profile", "gpu", "-o", "yaml"],
        &["get", "bj"],
        &["get", "backup-jobs", "-o", "name"],
        &["describe", "server", "w1"],
        &["describe", "serverlimits/slotway"],
        &["delete", "serverlimits", "slotway"],
        &["delete", "profile", "training"],
        &["delete", "server", "w2"],
        &["delete", "-f", "ordinary.yaml", "--dry-run"],
        &["delete", "-f", "ordinary.yaml"],
        &["get", "servers"],
        &["audit", "--kind", "backupjobs"],
    ] {
        text.push_str(&plane.told(arguments));
    }
    golden("real/ordinary.txt", &plane.masked(&text));
}

#[test]
fn a_site_is_applied_read_and_deleted() {
    let plane = Plane::start();
    fs::write(plane.installation.path("site.yaml"), SITE).unwrap();
    fs::write(plane.installation.path("field.yaml"), SITE.replace("max_waiting", "max_wating")).unwrap();
    fs::write(plane.installation.path("capacity.yaml"), SITE.replace("capacity: 2", "capacity: 0")).unwrap();
    fs::write(plane.installation.path("pool.yaml"), SITE.replace("pool: ocr,", "pool: nowhere,")).unwrap();
    let mut text = String::new();
    for arguments in [
        ["apply", "-f", "field.yaml"].as_slice(),
        &["apply", "-f", "capacity.yaml"],
        &["apply", "-f", "pool.yaml"],
        &["apply", "-f", "site.yaml", "--dry-run", "--exit-code"],
        &["diff", "-f", "site.yaml"],
        &["apply", "-f", "site.yaml"],
        &["apply", "-f", "site.yaml"],
        &["diff", "-f", "site.yaml"],
        &["get", "workers", "-l", "gpu=a100", "-o", "name"],
        &["set", "capacity", "http://127.0.0.1:7", "4"],
        &["diff", "-f", "site.yaml"],
        &["set", "capacity", "http://127.0.0.1:7", "5", "--if-version", "1"],
        &["cordon", "http://127.0.0.1:7", "--reason", "new model"],
        &["describe", "worker", "http://127.0.0.1:7"],
        &["uncordon", "http://127.0.0.1:7"],
        &["delete", "pool", "ocr"],
        &["delete", "worker", "http://127.0.0.1:7", "--dry-run"],
        &["delete", "worker", "http://nowhere"],
        &["audit", "--kind", "worker", "--key", "http://127.0.0.1:7"],
    ] {
        text.push_str(&plane.told(arguments));
    }
    golden("real/site.txt", &plane.masked(&text));
    for kind in ["workers", "pools", "policies"] {
        fs::write(plane.installation.path("got.yaml"), stdout(&plane.run(&["get", kind, "-o", "yaml"])))
            .unwrap();
        let applied = stdout(&plane.run(&["apply", "-f", "got.yaml"]));
        assert!(!applied.is_empty() && applied.lines().all(|line| line.ends_with("unchanged")), "{applied}");
    }
}

#[test]
fn a_drain_prints_the_reports_of_an_envoy_and_a_watch_shows_them() {
    let plane = Plane::start();
    plane.report(1, 2, "active");
    let worker = plane.worker();
    let file = |name: &str| File::create(plane.installation.path(name)).unwrap();
    let read = |name: &str| fs::read_to_string(plane.installation.path(name)).unwrap();
    let mut watch = plane.installation.slotway(&["get", "workers", "-w"]);
    let watch =
        watch.env("SLOTWAY_CONFIG", "f.yaml").stdout(file("watched")).stderr(file("watch-errors")).spawn();
    let _watching = Running(watch.unwrap());
    wait_for("the worker", || read("watched").contains("active").then_some(()));

    // No Envoy is connected, so the worker does not become drained; `tests/e2e` has a test with one.
    let mut drain = plane.installation.slotway(&["drain", &worker, "--wait"]);
    let drain =
        drain.env("SLOTWAY_CONFIG", "f.yaml").stdout(file("drain")).stderr(file("progress")).spawn().unwrap();
    let _draining = Running(drain);
    wait_for("the cordon", || read("watched").contains("cordoned").then_some(()));
    plane.report(2, 1, "draining");
    wait_for("progress", || read("progress").contains("1 request in flight").then_some(()));
    assert_eq!(read("drain"), format!("worker/{worker} draining\n"));

    let late = plane.run(&["drain", &worker, "--wait", "--timeout", "1ms"]);
    assert_eq!(late.status.code(), Some(8), "{}", stderr(&late));
    assert!(stderr(&late).contains("is not drained (1 request in flight) after 1ms"), "{}", stderr(&late));
    assert_eq!(plane.run(&["uncordon", &worker]).status.code(), Some(0));
    plane.report(3, 2, "active");
    wait_for("the end of it", || {
        read("watched").trim_end().lines().last().filter(|last| last.contains("active")).map(drop)
    });
    assert_eq!(read("watch-errors"), "");
}

#[test]
fn users_and_tokens_are_created_used_and_deleted() {
    let plane = Plane::start();
    let secret = stdout(&plane.run(&["token", "create", "board", "--scope", "read"]));
    fs::write(plane.installation.path("board.token"), &secret).unwrap();
    let worker = plane.worker();
    for (arguments, code) in [
        (["get", "workers", "--token-file", "board.token"].as_slice(), 0),
        (&["set", "capacity", &worker, "3", "--token-file", "board.token"], 4),
        (&["get", "users", "--token-file", "board.token"], 4),
        (&["token", "create", "board"], 5),
        (&["token", "create", "x", "--expires-in", "never"], 2),
        (&["token", "delete", "board"], 0),
        (&["get", "workers", "--token-file", "board.token"], 4),
        (&["token", "delete", "board"], 3),
    ] {
        let output = plane.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains(secret.trim()));
    }
    let with = |arguments: &[&str], password: &str| {
        let mut command = plane.installation.slotway(arguments);
        command
            .env("SLOTWAY_CONFIG", "f.yaml")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    for (arguments, password, code) in [
        (["user", "create", "ada", "--role", "admin"].as_slice(), "correct horse battery", 0),
        (&["user", "create", "ada"], "another horse battery", 5),
        (&["user", "create", "bob"], "short", 2),
        (&["user", "passwd", "ada"], "another horse battery", 0),
        (&["user", "passwd", "bob"], "another horse battery", 3),
        (&["user", "delete", "ada"], "", 0),
        (&["user", "delete", "ada"], "", 3),
    ] {
        let output = with(arguments, password);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("battery"));
    }
    let audit: Value = serde_json::from_str(&stdout(&plane.run(&["audit", "-o", "json"]))).unwrap();
    let text = audit.to_string();
    assert!(text.contains("\"ada\"") && !text.contains("battery") && !text.contains(secret.trim()), "{text}");
}

#[test]
fn over_tls_only_a_trusted_control_plane_is_used() {
    let installation = Installation::new();
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(installation.path("own.pem"), own.cert.pem()).unwrap();
    fs::write(installation.path("own.key"), own.signing_key.serialize_pem()).unwrap();
    fs::write(installation.path("other.pem"), other.cert.pem()).unwrap();
    let yaml = fs::read_to_string(installation.path("f.yaml")).unwrap();
    fs::write(
        installation.path("f.yaml"),
        format!("api_tls: {{ certificate_file: own.pem, key_file: own.key }}\n{yaml}"),
    )
    .unwrap();
    let mut serve = installation.slotway(&["serve", "-f", "f.yaml", "--filter", "filter.wasm"]);
    let _serving = Running(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    // The configuration file enables TLS for the API.
    let get = ["get", "workers", "-f", "f.yaml", "--ca-file"];
    let with = |ca: &str| installation.run(&[get.as_slice(), &[ca]].concat());
    wait_for("an answer", || with("own.pem").status.success().then_some(()));
    let by_name = format!("https://localhost:{}", installation.ports[1]);
    let output = installation.run(&[
        "get",
        "pools",
        "--api",
        &by_name,
        "--ca-file",
        "own.pem",
        "--state-directory",
        "state",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for (output, told) in [
        (with("other.pem"), "--ca-file names the certificates to trust"),
        (
            installation.run(&[
                "get",
                "workers",
                "--api",
                &format!("http://127.0.0.1:{}", installation.ports[1]),
            ]),
            "Check whether it is http:// or https://",
        ),
    ] {
        assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
}
