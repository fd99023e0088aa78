//! Errors are one line with a stable exit code, and change nothing.

use std::fs;

use crate::{
    fake_plane::FakePlane,
    golden::{golden, masked, told},
    installation::stderr,
};

#[test]
fn invalid_input_is_reported_and_changes_nothing() {
    let plane = FakePlane::start();
    let before = plane.kept().resources.clone();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    file("syntax.yaml", "kind: Worker\nmetadata: { name: [\n");
    file("kind.yaml", "kind: Wroker\nmetadata: { name: a }\nspec: {}\n");
    file("nothing.yaml", "# nothing\n");
    file("field.yaml", "kind: Policy\nmetadata: { name: ocr }\nspec:\n  max_wating: 3\n");
    file("pool.yaml", "kind: Worker\nmetadata: { name: http://a }\nspec: { pool: nowhere, capacity: 1 }\n");
    file("empty-token", "\n");
    file("wrong-token", "wrong-token-0123456789");
    file("no-certificates.pem", "nothing\n");
    let mut text = String::new();
    for (arguments, code) in [
        (["get", "wrokers"].as_slice(), 2),
        (&["get"], 2),
        (&["get", "worker/"], 2),
        (&["get", "worker", "http://nowhere"], 3),
        (&["get", "worker", "http://nowhere", "-o", "json"], 3),
        (&["get", "workers", "--pool", "typo"], 3),
        (&["get", "pools", "--pool", "ocr"], 2),
        (&["get", "worker", "http://127.0.0.1:9001", "--pool", "ocr"], 2),
        (&["get", "workers", "-l", "gpu"], 2),
        (&["get", "workers", "-o", "xml"], 2),
        (&["get", "workers", "-w", "--pool"], 2),
        (&["get", "worker", "http://nowhere", "-w"], 3),
        (&["get", "envoys", "-w"], 2),
        (&["get", "workers", "--api", "ftp://plane"], 2),
        (&["get", "workers", "--api", "http://ada:secret@plane"], 2),
        (&["get", "workers", "--api", "127.0.0.1:1"], 6),
        (&["get", "workers", "--token-file", "missing"], 2),
        (&["get", "workers", "--token-file", "empty-token"], 2),
        (&["get", "workers", "--token-file", "wrong-token"], 4),
        (&["get", "workers", "--token", "secret"], 2),
        (&["get", "workers", "-c", "missing.yaml"], 2),
        (&["get", "workers", "--api", "https://127.0.0.1:1", "--ca-file", "missing.pem"], 2),
        (&["get", "workers", "--api", "https://127.0.0.1:1", "--ca-file", "no-certificates.pem"], 2),
        (&["describe", "worker"], 2),
        (&["describe", "pool", "nowhere"], 3),
        (&["apply"], 2),
        (&["apply", "-f", "missing.yaml"], 2),
        (&["apply", "-f", "syntax.yaml"], 2),
        (&["apply", "-f", "kind.yaml"], 2),
        (&["apply", "-f", "nothing.yaml"], 2),
        (&["apply", "-f", "field.yaml"], 2),
        (&["apply", "-f", "pool.yaml"], 2),
        (&["apply", "-f", "pool.yaml", "-f", "pool.yaml"], 2),
        (&["apply", "-f", "pool.yaml", "--exit-code"], 2),
        (&["apply", "-f", "pool.yaml", "-o", "xml"], 2),
        (&["diff", "-f", "missing.yaml"], 2),
        (&["delete"], 2),
        (&["delete", "worker"], 2),
        (&["delete", "worker", "http://nowhere"], 3),
        (&["delete", "policy", "ocr"], 2),
        (&["delete", "coordinator", "edge-1"], 2),
        (&["delete", "worker", "a", "-f", "pool.yaml"], 2),
        (&["drain"], 2),
        (&["drain", "http://nowhere"], 3),
        (&["drain", "http://127.0.0.1:9001", "--timeout", "soon"], 2),
        (&["set", "capacity", "http://127.0.0.1:9001", "0"], 2),
        (&["set", "capacity", "http://127.0.0.1:9001", "65536"], 2),
        (&["set", "capacity", "http://nowhere", "1"], 3),
        (&["set", "capacity", "http://127.0.0.1:9001", "5", "--if-version", "77"], 5),
        (&["proxy-status", "nobody"], 3),
        (&["top", "--sort", "age"], 2),
        (&["token", "create"], 2),
        (&["token", "create", "a", "--scope", "all"], 2),
        (&["user", "create", "a", "--role", "king"], 2),
        (&["audit", "--limit", "0"], 2),
        (&["completion"], 2),
    ] {
        let output = plane.slotway(arguments).current_dir(directory.path()).output().unwrap();
        let (said, errors) = (told(arguments, &output), stderr(&output));
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(!errors.is_empty(), "{said}");
        assert!(!errors.contains("secret@") && !errors.contains("0123456789"), "a secret is printed: {said}");
        text.push_str(&said);
    }
    assert_eq!(plane.kept().resources, before);
    golden("refused.txt", &masked(&text, &[(&plane.port.to_string(), "PORT")]));
}

#[test]
fn another_server_than_a_control_plane_is_reported() {
    for (broken, code, told) in [
        ((200, "<html>welcome</html>"), 1, "Check that this is a control plane"),
        ((200, "{}"), 1, "Check that this is a control plane"),
        ((200, r#"{"items": [{"no": "name"}]}"#), 1, "Check that this is a control plane"),
        ((502, "<html>\u{1b}[31mbad gateway</html>"), 1, "refused with 502"),
        ((404, "page not found"), 3, "refused with 404"),
        ((503, r#"{"detail": "the database is away", "status": 503}"#), 1, "the database is away"),
        ((429, r#"{"detail": "too many requests", "status": 429}"#), 1, "too many requests"),
    ] {
        let plane = FakePlane::start();
        plane.kept().broken = Some(broken);
        for arguments in [["get", "workers"].as_slice(), &["get", "workers", "-w"], &["top", "--once"]] {
            let output = plane.run(arguments);
            let errors = stderr(&output);
            assert_eq!(output.status.code(), Some(code), "{broken:?} {arguments:?}: {errors}");
            assert!(
                errors.contains(told) && errors.lines().count() == 1,
                "{broken:?} {arguments:?}: {errors}"
            );
            assert!(!errors.contains('\u{1b}'));
        }
    }
}

#[test]
fn a_port_without_http_is_reported_as_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = std::io::Write::write_all(&mut stream.unwrap(), b"SSH-2.0-OpenSSH_9.2\r\n");
        }
    });
    let plane = FakePlane::start();
    for scheme in ["http", "https"] {
        let output = plane.run(&["get", "workers", "--api", &format!("{scheme}://127.0.0.1:{port}")]);
        assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    }
}

#[test]
fn the_local_admin_token_is_sent_to_no_other_machine() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join(".slotway");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("admin-token"), "of-this-machine-alone").unwrap();
    // The name stands for another machine. It resolves to a local address, so that the test sees which credentials it
    // receives.
    let plane = FakePlane::start();
    let Ok(name) = fs::read_to_string("/proc/sys/kernel/hostname") else { return };
    let mut get = plane.slotway(&["get", "pools", "--api", &format!("{}:{}", name.trim(), plane.port)]);
    let output = get.env_remove("SLOTWAY_TOKEN").current_dir(directory.path()).output().unwrap();
    let shown: Vec<_> = plane.kept().asked.iter().filter_map(|(_, _, shown)| shown.clone()).collect();
    assert!(shown.is_empty(), "{shown:?} {}", stderr(&output));
}
