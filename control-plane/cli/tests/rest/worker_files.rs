//! Files that a client of the API names: of certificate authorities, for a worker with https.

use std::process::Command;

use axum::{Router, routing::get};
use serde_json::{Value, json};

use crate::fixture::{FILE, Fixture, WITHIN, worker_path};

const SECURE: &str = "https://ocr.example";

fn file_with(fields: &Value) -> String {
    let mut file: Value = serde_json::from_str(FILE).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        file[name] = value.clone();
    }
    file.to_string()
}

fn spec(ca_file: &str) -> Value {
    json!({ "spec": { "capacity": 1, "tls": { "ca_file": ca_file } } })
}

#[tokio::test]
async fn a_file_outside_of_the_directories_for_authorities_is_refused_and_changes_nothing() {
    let fixture = Fixture::new().await;
    let before = fixture.workers().await;
    for file in ["/dev/zero", "/proc/self/environ", "/etc/shadow", "/etc/ssl/../shadow", "ca.pem", "/etc/ssl"]
    {
        let put = fixture.ask("PUT", &worker_path(SECURE), &spec(file)).await;
        assert_eq!(
            (put.status.as_u16(), put.body["field"].as_str()),
            (400, Some("spec.tls")),
            "{file}: {}",
            put.body
        );
        assert!(put.body["detail"].as_str().unwrap().contains("worker_ca_directories"), "{}", put.body);
        let list = json!([{ "worker": SECURE, "capacity": 1, "tls": { "ca_file": file } }]);
        let posted = fixture.post(&list.to_string()).await;
        assert_eq!((posted.status.as_u16(), posted.body["field"].as_str()), (400, Some("tls")), "{file}");
    }
    assert_eq!(fixture.workers().await, before);
    let put = fixture.ask("PUT", &worker_path(SECURE), &spec("/etc/ssl/ocr.pem")).await;
    assert!(put.status.is_success(), "{}", put.body);
}

#[tokio::test]
async fn a_file_that_the_configuration_file_names_may_stay_and_no_other_one_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("ca.pem").display().to_string();
    let pools = json!([{ "name": "ocr", "workers": [
        { "worker": SECURE, "capacity": 1, "tls": { "ca_file": own } } ] }]);
    let fixture = Fixture::with(directory, &file_with(&json!({ "pools": pools }))).await;
    let patch = |spec: Value| json!({ "spec": spec });
    let path = worker_path(SECURE);
    assert!(fixture.ask("PATCH", &path, &patch(json!({ "capacity": 2 }))).await.status.is_success());
    let other = own.replace("ca.pem", "other.pem");
    let refused = fixture.ask("PATCH", &path, &patch(json!({ "tls": { "ca_file": other } }))).await;
    assert_eq!(refused.status.as_u16(), 400, "{}", refused.body);
    let without = fixture.ask("PATCH", &path, &patch(json!({ "tls": null }))).await;
    assert!(without.status.is_success(), "{}", without.body);
    let back = fixture.ask("PATCH", &path, &patch(json!({ "tls": { "ca_file": own } }))).await;
    assert!(back.status.is_success(), "{}", back.body);
}

#[tokio::test]
async fn a_pipe_a_device_and_a_malformed_file_fail_only_the_heartbeats_of_the_workers_that_name_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", path("device")).unwrap();
    std::fs::write(path("secret"), "-----BEGIN CERTIFICATE-----\nhunter2!\n-----END CERTIFICATE-----\n")
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let healthy = format!("http://{}", listener.local_addr().unwrap());
    let answering = Router::new().route("/health", get(|| async { "ok" }));
    tokio::spawn(async move { axum::serve(listener, answering).await });

    let own = [path("pipe"), path("device"), path("secret")];
    let allowed = json!({ "worker_ca_directories": [directory.path()] });
    let fixture = Fixture::with(directory, &file_with(&allowed)).await;
    let heartbeat = json!({ "path": "/health", "interval": "100ms", "timeout": "50ms", "threshold": 100 });
    let ok = json!({ "spec": { "capacity": 1, "heartbeat": heartbeat } });
    assert!(fixture.ask("PUT", &worker_path(&healthy), &ok).await.status.is_success());
    let says = ["not a regular file", "not a regular file", "not valid PEM"];
    // Several workers for each file: one read serves all of them.
    for number in 0..5 {
        for (at, file) in own.iter().enumerate() {
            let mut wanted = spec(file);
            wanted["spec"]["heartbeat"] = heartbeat.clone();
            let worker = worker_path(&format!("https://bad-{at}-{number}.example"));
            assert!(fixture.ask("PUT", &worker, &wanted).await.status.is_success());
        }
    }
    let heartbeat_of =
        async |worker: &str| fixture.get(&worker_path(worker)).await.body["status"]["heartbeat"].clone();
    for (at, says) in says.into_iter().enumerate() {
        let worker = format!("https://bad-{at}-4.example");
        let failed = tokio::time::timeout(WITHIN, async {
            loop {
                let heartbeat = heartbeat_of(&worker).await;
                if let Some(error) = heartbeat["last_error"].as_str() {
                    return error.to_owned();
                }
                tokio::task::yield_now().await;
            }
        });
        let error = failed.await.unwrap();
        assert!(error.contains(says) && !error.contains("hunter2"), "{error}");
    }
    let healthy = heartbeat_of(&healthy).await;
    assert_eq!((&healthy["ok"], &healthy["failures"]), (&json!(true), &json!(0)), "{healthy}");
}
