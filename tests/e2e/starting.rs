//! Starting, failing to start, and stopping.

use std::{collections::BTreeMap, fs, net::TcpListener, path::Path, process::Command};

use rustix::process::Signal;
use serde_json::json;

use slotway_test_site::{SOON, Setup, Site, Slotway, TestProcess, fresh_address, get, send, until};

/// Returns all descendants of a process.
fn descendants(pid: i32) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The format is `pid (name) state ppid ...`, and the name may contain any character.
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        children.entry(parent.unwrap_or_default()).or_default().push(process);
    }
    let mut found = children.get(&pid).cloned().unwrap_or_default();
    let mut next = 0;
    while let Some(process) = found.get(next).copied() {
        found.extend(children.get(&process).into_iter().flatten());
        next += 1;
    }
    found
}

fn lives(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

async fn ends_everything(signal: Signal, to_group: bool) {
    let setup = Setup::default().worker(&format!("http://{}", fresh_address()), 3);
    let mut slotway = Slotway::up_with(&setup, &["--demo-workers"]).await;
    assert_eq!(slotway.get("/extract?text=London").await.status, 200);
    let started = descendants(slotway.process.pid().as_raw_nonzero().get());
    assert!(started.len() >= 2, "Envoy and a worker: {started:?}");
    if to_group {
        slotway.process.signal_group(signal);
    } else {
        slotway.process.signal(signal);
    }
    let status = slotway.process.ended(SOON).await;
    if signal != Signal::KILL {
        assert!(status.success(), "{status}");
    }
    until("no process is left", SOON, async || started.iter().all(|pid| !lives(*pid)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_no_process_behind() {
    ends_everything(Signal::INT, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_leaves_no_process_behind() {
    ends_everything(Signal::TERM, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_slotway_leaves_no_process_behind() {
    ends_everything(Signal::KILL, false).await;
}

/// Runs `slotway up` until it fails, and returns its output.
async fn refusal(site: &Site, command: Command) -> String {
    let mut process = TestProcess::start("slotway", command, site.path());
    let status = process.ended(SOON).await;
    assert!(status.code().is_some_and(|code| code != 0), "{status}: {}", process.output());
    process.output()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_reported_in_one_line() {
    for taken in ["listen", "api", "xds", "admin"] {
        let site = Site::new(&Setup::default());
        let at = site.addresses();
        let address = match taken {
            "listen" => at.listen,
            "api" => at.api,
            "xds" => at.xds,
            _ => at.admin,
        };
        let _holder = TcpListener::bind(address).unwrap();
        let said = refusal(&site, site.slotway("up")).await;
        assert_eq!(said.trim_end().lines().count(), 1, "{taken}: {said}");
        assert!(said.contains(&address.to_string()) && said.contains("in use"), "{taken}: {said}");
        assert!(said.contains(taken), "{taken}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_envoy_is_reported_in_one_line() {
    let site = Site::new(&Setup::default());
    let mut command = site.slotway("up");
    command.args(["--envoy", "/nowhere/envoy"]);
    let said = refusal(&site, command).await;
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.contains("/nowhere/envoy"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_configuration_is_refused_with_its_position_before_anything_starts() {
    let worker = json!([{ "worker": "http://127.0.0.1:9001", "capacity": 1 }]);
    let twice = json!([
        { "worker": "http://127.0.0.1:9001", "capacity": 1 },
        { "worker": "http://127.0.0.1:9001/", "capacity": 2 },
    ]);
    for (field, value, mention) in [
        ("free_worker_timeout", json!("30 seconds"), "30 seconds"),
        ("free_worker_timeout", json!(30), "30"),
        ("max_waiting", json!(-1), ""),
        ("unknown_field", json!(1), "unknown_field"),
        ("match", json!({ "prefix": "no-slash" }), "no-slash"),
        ("name", json!("Bad Name"), "Bad Name"),
        ("workers", json!([{ "worker": "http://127.0.0.1:9001", "capacity": 0 }]), "65535"),
        ("workers", json!([{ "worker": "http://127.0.0.1:9001", "capacity": 65_536 }]), "65535"),
        ("workers", twice, "twice"),
        ("workers", json!([{ "worker": "127.0.0.1:9001", "capacity": 1 }]), "http://"),
    ] {
        let setup = Setup::default().pool("workers", worker.clone()).pool(field, value.clone());
        let site = Site::new(&setup);
        let said = refusal(&site, site.slotway("up")).await;
        assert!(said.contains(mention), "{field}: {value}: {said}");
        let place = said.split("slotway.yaml:").nth(1).unwrap_or_default();
        let numbers: Vec<_> = place.splitn(3, ':').take(2).map(str::parse::<u64>).collect();
        assert!(matches!(numbers[..], [Ok(_), Ok(_)]), "line and column in {said}");
        assert!(!site.path().join("state").exists(), "{field}: something was started");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_envoy_is_restarted() {
    let setup = Setup::default().worker(&format!("http://{}", fresh_address()), 3);
    let slotway = Slotway::up_with(&setup, &["--demo-workers"]).await;
    let envoy = descendants(slotway.process.pid().as_raw_nonzero().get()).into_iter().find(|pid| {
        fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("--config-path"))
    });
    let envoy = rustix::process::Pid::from_raw(envoy.expect("an Envoy")).unwrap();
    rustix::process::kill_process(envoy, Signal::KILL).unwrap();
    until("Envoy serves again", 2 * SOON, async || {
        let answer = send(slotway.address(), get("/extract?text=London")).await;
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
    slotway.api().shows_idle(SOON).await;
}
