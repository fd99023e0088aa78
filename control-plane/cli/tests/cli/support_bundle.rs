//! `slotway support-bundle` contains all diagnostics and no secret.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
};

use flate2::read::GzDecoder;
use rcgen::{CertificateParams, KeyPair};
use slotway_test_postgres::{PASSWORD, Postgres};

use crate::{
    http::send,
    installation::{Installation, stderr, stdout},
};

/// Returns the files of a bundle.
fn unpack(packed: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(packed));
    let files = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name =
            entry.path().unwrap().to_str().unwrap().strip_prefix("slotway-support/").unwrap().to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name, text)
    });
    files.collect()
}

/// Starts an Envoy admin port that answers every request with this body.
fn admin_port(port: u16, body: String) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head);
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
        }
    });
}

#[test]
fn a_bundle_has_all_diagnostics_and_no_secret() {
    let postgres = Postgres::start();
    let installation = Installation::new();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["slotway.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(installation.path("xds.pem"), certificate.pem()).unwrap();
    fs::write(installation.path("xds.key"), key.serialize_pem()).unwrap();
    fs::write(installation.path("group-token"), "hush-the-token-of-the-group\n").unwrap();
    installation.also(
        "xds_tls: { certificate_file: xds.pem, key_file: xds.key }\n\
         groups: [{ name: slotway, token_file: group-token }] # hush-a-comment",
    );
    let mut serving = installation.serving(&[("SLOTWAY_STORE", &postgres.url())]);
    let token = installation.token();
    let worker = r#"[{"worker": "http://new.test", "capacity": 2}]"#;
    assert_eq!(send(installation.ports[1], "POST", "/coordinator/workers", &token, worker).unwrap().0, 200);

    let made = format!("slotway_{}", "0Fa9".repeat(16));
    let cluster_key = fs::read_to_string(installation.path("state/node-key")).unwrap();
    let node_key = installation.node_headers("local")[1].1.clone();
    let log = format!(
        "a line that helps\nauthorization: Bearer hush-the-token-of-the-group\nx {made} y {cluster_key} z\n\
         'x-slotway-node-key', '{node_key}'\nx-slotway-node-key: {node_key}\n\
         connecting to postgres://slotway:{PASSWORD}@127.0.0.1/x\n{}\nanother line that helps\n",
        key.serialize_pem()
    );
    fs::write(installation.path("state/envoy.log"), &log).unwrap();
    fs::write(installation.path("state/secret.txt"), "hush-a-file-that-nobody-asked-for").unwrap();
    let dump = serde_json::json!({
        "configs": [{ "header": { "value": "Bearer hush-the-token-of-the-group" } }],
        "inline_string": key.serialize_pem(),
        "secrets": [node_key],
        "admin_token": "hush-by-its-name",
        "helps": "as it stands",
    });
    admin_port(installation.ports[3], dump.to_string());

    let bundle = |name: &str| {
        let mut command = installation.slotway(&["support-bundle", "-f", "f.yaml", "-o", name]);
        command.env("SLOTWAY_STORE", postgres.url()).env("SLOTWAY_STORE_PASSWORD", PASSWORD);
        command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hush-the-collectors-key").output().unwrap()
    };
    let output = bundle("b.tar.gz");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("b.tar.gz: "), "{}", stdout(&output));
    assert_eq!(fs::metadata(installation.path("b.tar.gz")).unwrap().permissions().mode() & 0o777, 0o600);
    let files = unpack(&fs::read(installation.path("b.tar.gz")).unwrap());

    // All diagnostics are present.
    for (name, says) in [
        ("version.txt", env!("CARGO_PKG_VERSION")),
        ("system.txt", "processors: "),
        ("configuration.json", "group-token"),
        ("control-plane/readyz.txt", "store: takes changes"),
        ("control-plane/metrics.txt", "slotway_build_info"),
        ("control-plane/coordinator-workers.json", "http://new.test"),
        ("control-plane/coordinator-envoys.json", "[]"),
        ("control-plane/audit.json", "config file"),
        ("envoy/config_dump.json", "as it stands"),
        ("envoy/stats.txt", "as it stands"),
        ("logs/envoy.log", "another line that helps"),
        ("state.txt", "admin-token"),
        ("state.txt", "node-key"),
    ] {
        let file = files.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", files.keys()));
        assert!(file.contains(says), "{name}: {file}");
    }
    assert!(files["logs/envoy.log"].starts_with("a line that helps\n"), "{}", files["logs/envoy.log"]);

    // No secret is present in any file.
    let key = key.serialize_pem();
    let lines = key.lines().filter(|line| !line.starts_with("-----"));
    let secrets = [token.as_str(), PASSWORD, made.as_str(), &cluster_key, &node_key, "hush"];
    let secrets = secrets.into_iter().chain(lines);
    for secret in secrets {
        for (name, file) in &files {
            assert!(!file.contains(secret), "{secret} is in {name}: {file}");
        }
    }

    // An existing file is not overwritten.
    let again = bundle("b.tar.gz");
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("b.tar.gz: File exists"), "{}", stderr(&again));

    // Without a control plane, the bundle still has the local diagnostics.
    serving.signal(rustix::process::Signal::TERM);
    serving.ended();
    let output = bundle("without.tar.gz");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let files = unpack(&fs::read(installation.path("without.tar.gz")).unwrap());
    assert!(files["missing.txt"].contains("control-plane/metrics.txt"), "{}", files["missing.txt"]);
    assert!(files.contains_key("logs/envoy.log") && !files.contains_key("control-plane/metrics.txt"));
}

#[test]
fn an_invalid_configuration_is_reported_in_the_bundle() {
    let installation = Installation::new();
    installation.also("wight: 3");
    let output = installation.run(&["support-bundle", "-f", "f.yaml", "-o", "b.tar.gz"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let files = unpack(&fs::read(installation.path("b.tar.gz")).unwrap());
    assert!(files["missing.txt"].contains("wight"), "{}", files["missing.txt"]);
    assert!(files["configuration.json"].contains("\"wight\": 3"), "{}", files["configuration.json"]);
}
