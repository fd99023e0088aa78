//! SIGHUP reloads the configuration file.

use std::{fs, process::Stdio};

use rustix::process::Signal;

use crate::{
    http::{send, send_with},
    installation::{Installation, Running, wait_for},
    terminal::Terminal,
};

fn capacity(installation: &Installation) -> u64 {
    let (_, rows) =
        send(installation.ports[1], "GET", "/coordinator/workers", &installation.token(), "").unwrap();
    rows[0]["capacity"].as_u64().unwrap()
}

fn edit(installation: &Installation, old: &str, new: &str) {
    let yaml = fs::read_to_string(installation.path("f.yaml")).unwrap();
    assert!(yaml.contains(old), "{yaml}");
    fs::write(installation.path("f.yaml"), yaml.replace(old, new)).unwrap();
}

fn reloads(installation: &Installation, outcome: &str) -> f64 {
    installation.metric(&format!("slotway_config_reloads_total{{outcome=\"{outcome}\"}}")).unwrap()
}

#[test]
fn a_changed_file_is_put_in_force_and_changes_over_rest_stay() {
    let installation = Installation::new();
    installation.also("log: { level: warn }");
    let serving = installation.serving(&[]);
    let worker = format!("http://127.0.0.1:{}", installation.ports[4]);
    let before = installation.metric("slotway_config_generation").unwrap();
    edit(&installation, "level: warn", "level: debug");
    serving.signal(Signal::HUP);
    wait_for("the first reload", || (reloads(&installation, "done") == 1.0).then_some(()));
    assert_eq!(installation.metric("slotway_config_generation"), Some(before), "nothing changed for Envoy");
    installation.says("DEBUG");

    edit(&installation, "capacity: 2", "capacity: 5");
    serving.signal(Signal::HUP);
    wait_for("the new capacity", || (capacity(&installation) == 5).then_some(()));
    assert_eq!(installation.metric("slotway_config_last_reload_successful"), Some(1.0));
    let body = format!(r#"[{{"worker": "{worker}", "capacity": 7}}]"#);
    let (status, answer) =
        send(installation.ports[1], "POST", "/coordinator/workers", &installation.token(), &body).unwrap();
    assert_eq!(status, 200, "{answer}");
    serving.signal(Signal::HUP);
    wait_for("the third reload", || (reloads(&installation, "done") == 3.0).then_some(()));
    assert_eq!(capacity(&installation), 7, "the file has not changed");
    // The audit log names the author.
    let (_, page) =
        send(installation.ports[1], "GET", "/api/v1/audit?kind=worker", &installation.token(), "").unwrap();
    let page = page.to_string();
    assert!(page.contains("config file") && page.contains("admin token"), "{page}");
}

#[test]
fn an_invalid_file_changes_nothing_and_its_error_names_the_position() {
    let installation = Installation::new();
    installation.also("groups: [{ name: slotway, token_file: token }]");
    fs::write(installation.path("token"), "a-token-of-the-group-0").unwrap();
    let serving = installation.serving(&[]);
    let yaml = fs::read_to_string(installation.path("f.yaml")).unwrap();
    let lines = yaml.lines().count();
    let wrong = [
        ("capacity: 2", "capacity: 0", format!("f.yaml:{}:", lines - 1)),
        ("capacity: 2", "capacity: 2, wight: 3", format!("f.yaml:{}:", lines - 1)),
        ("pools: [", "pools: {", format!("f.yaml:{}:", lines - 1)),
        ("name: p,", "name: p, match: { prefix: ocr },", format!("f.yaml:{}:", lines - 1)),
        ("token_file: token", "token_file: elsewhere", "elsewhere: No such file".to_owned()),
        ("groups: [", "log: { level: loud }\ngroups: [", format!("f.yaml:{lines}:")),
    ];
    for (number, (old, new, says)) in wrong.into_iter().enumerate() {
        fs::write(
            installation.path("f.yaml"),
            yaml.replacen(old, new, 1).replace("capacity: 2 ", "capacity: 9 "),
        )
        .unwrap();
        serving.signal(Signal::HUP);
        wait_for(&says, || (reloads(&installation, "refused") == (number + 1) as f64).then_some(()));
        let log = installation.log();
        let line = log
            .lines()
            .rfind(|line| line.contains("configuration reload refused, nothing was changed"))
            .unwrap();
        assert!(line.contains(&says), "{new}: {line}");
        assert_eq!(capacity(&installation), 2);
        assert_eq!(installation.metric("slotway_config_last_reload_successful"), Some(0.0));
    }
    fs::write(installation.path("f.yaml"), yaml.replace("capacity: 2", "capacity: 4")).unwrap();
    serving.signal(Signal::HUP);
    wait_for("the corrected file", || (capacity(&installation) == 4).then_some(()));
}

#[test]
fn settings_that_need_a_restart_are_named_and_the_others_are_in_force() {
    let installation = Installation::new();
    let serving = installation.serving(&[]);
    let [listen, _, xds, ..] = installation.ports;
    edit(&installation, &format!("listen: 127.0.0.1:{listen}"), "listen: 127.0.0.1:1");
    edit(&installation, &format!("xds: 127.0.0.1:{xds}"), "xds: 127.0.0.1:2");
    edit(&installation, "state: state", "state: another\nnode_key_file: another.key");
    edit(&installation, "capacity: 2", "capacity: 3");
    serving.signal(Signal::HUP);
    wait_for("the new capacity", || (capacity(&installation) == 3).then_some(()));
    installation.says("except settings that need a restart settings=\"listen, xds, state, node_key_file\"");
    assert!(!installation.path("another").exists());
}

#[test]
fn a_groups_token_is_read_again() {
    let installation = Installation::new();
    installation.also("groups: [{ name: slotway, token_file: token }]");
    fs::write(installation.path("token"), "a-token-of-the-group-0").unwrap();
    let serving = installation.serving(&[]);
    let node = installation.node_headers("envoy");
    let report = |token: &str| {
        let authorization = format!("Bearer {token}");
        let mut headers: Vec<_> = node.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("authorization", &authorization));
        let (status, _) =
            send_with(installation.ports[2], "POST", "/coordinator/report", &headers, "{}").unwrap();
        status
    };
    assert_eq!((report("a-token-of-the-group-0"), report("a-token-of-the-group-1")), (400, 401));
    fs::write(installation.path("token"), "a-token-of-the-group-1").unwrap();
    serving.signal(Signal::HUP);
    wait_for("the new token", || (report("a-token-of-the-group-1") == 400).then_some(()));
    assert_eq!(report("a-token-of-the-group-0"), 401);
}

#[test]
fn a_renewed_certificate_is_used_after_the_reload_and_a_broken_one_is_not() {
    let installation = Installation::new();
    installation.also("api_tls: { certificate_file: api.pem, key_file: api.key }");
    let renew = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(installation.path(name), made.cert.pem()).unwrap();
        fs::write(installation.path("api.pem"), made.cert.pem()).unwrap();
        fs::write(installation.path("api.key"), made.signing_key.serialize_pem()).unwrap();
    };
    renew("first.pem");
    let log = fs::File::create(installation.path("log")).unwrap();
    let mut serve = installation.slotway(&["serve", "-f", "f.yaml", "--filter", "filter.wasm"]);
    let serving = Running(serve.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    let answers_to = |ca: &str| {
        installation.run(&["get", "workers", "-f", "f.yaml", "--ca-file", ca]).status.success().then_some(())
    };
    wait_for("an answer", || answers_to("first.pem"));

    fs::write(installation.path("api.pem"), "no certificate").unwrap();
    serving.signal(Signal::HUP);
    installation.says("configuration reload refused, nothing was changed");
    assert!(answers_to("first.pem").is_some(), "the broken file is in force");

    renew("second.pem");
    assert!(answers_to("second.pem").is_none(), "the configuration has not been reloaded yet");
    serving.signal(Signal::HUP);
    wait_for("the second certificate", || answers_to("second.pem"));
    assert!(answers_to("first.pem").is_none());
}

#[test]
fn a_closed_terminal_ends_the_process_without_a_reload() {
    let installation = Installation::new();
    let terminal = Terminal::open();
    let mut serve = installation.slotway(&["serve", "-f", "f.yaml", "--filter", "filter.wasm"]);
    serve.stdout(Stdio::null()).stderr(fs::File::create(installation.path("log")).unwrap());
    let mut serving = terminal.start(serve);
    wait_for("an answer", || send(installation.ports[1], "GET", "/healthz", "none", ""));
    drop(terminal);
    assert_eq!(serving.ended(), Some(0));
    assert!(!installation.log().contains("configuration reload"), "{}", installation.log());
}
