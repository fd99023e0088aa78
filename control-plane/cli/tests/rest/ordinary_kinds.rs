//! Server limits, resource profiles, backup jobs and servers: the common behaviour of `/api/v1` resources.

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use slotway_api_types::{
    List, Resource, ResourceKind,
    kinds::{
        self, BackupJobSpec, BackupJobStatus, ResourceProfileSpec, ResourceProfileStatus, ServerLimitsSpec,
        ServerLimitsStatus, ServerSpec, ServerStatus,
    },
};

use crate::{
    fixture::{Answer, Fixture},
    listening::Listening,
};

pub(crate) const LIMITS: &str = "/api/v1/server-limits/slotway";
const PROFILE: &str = "/api/v1/resource-profiles/gpu";
pub(crate) const JOB: &str = "/api/v1/backup-jobs/nightly";
pub(crate) const SERVER: &str = "/api/v1/servers/w1";
pub(crate) const W1: &str = "http://127.0.0.1:9001";
pub(crate) const W2: &str = "http://127.0.0.1:9002";

pub(crate) fn job() -> Value {
    json!({
        "subject": { "store": {} },
        "schedule": { "cron": "30 3 * * *", "time_zone": "Europe/Berlin" },
        "target": { "s3": { "bucket": "backups", "prefix": "slotway" } },
        "retention": { "last": 14 },
    })
}

pub(crate) fn profile() -> Value {
    json!({ "memory": "8g", "cpus": 1.5, "gpus": 1 })
}

pub(crate) fn server(worker: &str, usage: &str) -> Value {
    json!({ "usage": usage, "external": worker })
}

/// Returns each kind with a path, a valid spec, and another valid one.
fn all() -> [(&'static ResourceKind, &'static str, Value, Value); 4] {
    let with = |mut spec: Value, field: &str, value: Value| {
        spec[field] = value;
        spec
    };
    [
        (&kinds::BACKUP_JOB, JOB, job(), with(job(), "retention", json!({ "last": 3 }))),
        (&kinds::RESOURCE_PROFILE, PROFILE, profile(), with(profile(), "memory", json!("4g"))),
        (&kinds::SERVER, SERVER, server(W1, "training"), server(W1, "ocr")),
        (
            &kinds::SERVER_LIMITS,
            LIMITS,
            json!({ "servers_max": 3, "by_usage": { "training": 2 } }),
            json!({ "servers_max": 4, "by_usage": {} }),
        ),
    ]
}

pub(crate) async fn put(fixture: &Fixture, path: &str, spec: &Value) -> Answer {
    fixture.ask("PUT", path, &json!({ "spec": spec })).await
}

pub(crate) fn version(answer: &Answer) -> String {
    answer.body["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", answer.body))
        .to_owned()
}

fn collection(path: &str) -> &str {
    path.rsplit_once('/').unwrap().0
}

#[tokio::test]
async fn every_ordinary_kind_is_tested_here() {
    let tested: Vec<_> = all().iter().map(|(kind, ..)| kind.name).collect();
    let mut ordinary: Vec<_> = kinds::ordinary().map(|kind| kind.name).collect();
    ordinary.sort_unstable();
    assert_eq!(tested, ordinary);
    for (kind, path, ..) in all() {
        assert_eq!(collection(path), kind.collection());
    }
}

#[tokio::test]
async fn a_resource_is_created_read_changed_and_deleted_with_its_version_as_etag() {
    let fixture = Fixture::new().await;
    for (kind, path, spec, other) in all() {
        let is_new = fixture.get(path).await.status == StatusCode::NOT_FOUND;
        let made = put(&fixture, path, &spec).await;
        let expected = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        assert_eq!(made.status, expected, "{}", made.body);
        assert_eq!((&made.body["kind"], &made.body["spec"]), (&json!(kind.name), &spec));
        assert_eq!(made.headers["etag"], format!("\"{}\"", version(&made)), "{path}");
        let read = fixture.get(path).await;
        assert_eq!((&read.body, version(&read)), (&made.body, version(&made)));
        let listed = fixture.get(collection(path)).await.body;
        assert_eq!(listed["kind"], format!("{}List", kind.name));
        assert!(listed["items"].as_array().unwrap().contains(&read.body), "{listed}");

        let again = put(&fixture, path, &spec).await;
        assert_eq!(
            (again.status, version(&again)),
            (StatusCode::OK, version(&made)),
            "a repeated request changes nothing"
        );
        let changed = put(&fixture, path, &other).await;
        assert_eq!((changed.status, &changed.body["spec"]), (StatusCode::OK, &other));
        assert_ne!(version(&changed), version(&made), "{path}");

        if kind.is_deletable() {
            let gone = fixture.ask("DELETE", path, &Value::Null).await;
            assert_eq!(
                (gone.status, &gone.body),
                (StatusCode::OK, &without_next_runs(&changed.body, &gone.body))
            );
            let missing = fixture.get(path).await;
            let problem = format!("unknown-{}", kind.problem_word());
            assert_eq!((missing.status, missing.problem()), (StatusCode::NOT_FOUND, problem.as_str()));
            assert!(missing.body["known"].is_array(), "{}", missing.body);
            let again = fixture.ask("DELETE", path, &Value::Null).await;
            assert_eq!(again.status, StatusCode::NOT_FOUND);
        } else {
            let refused = fixture.ask("DELETE", path, &Value::Null).await;
            assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
}

/// Returns the resource without the next runs of a job, which may differ between two reads.
fn without_next_runs(one: &Value, other: &Value) -> Value {
    let mut one = one.clone();
    if one["status"]["next_runs"].is_array() {
        one["status"]["next_runs"] = other["status"]["next_runs"].clone();
    }
    one
}

#[tokio::test]
async fn a_change_requires_the_version_that_it_names() {
    let fixture = Fixture::new().await;
    for (_, path, spec, other) in all() {
        let first = put(&fixture, path, &spec).await;
        let second = put(&fixture, path, &other).await;
        let stale = format!("\"{}\"", version(&first));
        let fresh = format!("\"{}\"", version(&second));
        let body = json!({ "spec": spec });
        for (name, value) in [("if-match", stale.as_str()), ("if-none-match", "*")] {
            let refused = fixture.ask_with("PUT", path, &[(name, value)], &body).await;
            assert_eq!(
                (refused.status, refused.problem()),
                (StatusCode::PRECONDITION_FAILED, "stale"),
                "{path} {name}"
            );
        }
        let in_body = json!({ "metadata": { "resourceVersion": version(&first) }, "spec": spec });
        assert_eq!(fixture.ask("PUT", path, &in_body).await.status, StatusCode::PRECONDITION_FAILED);
        let patch = json!({ "metadata": { "resourceVersion": version(&first) } });
        assert_eq!(fixture.ask("PATCH", path, &patch).await.status, StatusCode::PRECONDITION_FAILED);
        let made = fixture.ask_with("PUT", path, &[("if-match", fresh.as_str())], &body).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.body);
        let applied = json!({ "items": [{
            "kind": made.body["kind"], "metadata": { "name": made.body["metadata"]["name"], "resourceVersion": version(&second) },
            "spec": other,
        }] });
        let refused = fixture.ask("POST", "/api/v1/apply", &applied).await;
        assert_eq!((refused.status, &refused.body["index"]), (StatusCode::PRECONDITION_FAILED, &json!(0)));
    }
}

#[tokio::test]
async fn a_patch_changes_the_fields_that_it_names() {
    let fixture = Fixture::new().await;
    for (_, path, spec, _) in all() {
        put(&fixture, path, &spec).await;
    }
    let patched = fixture.ask("PATCH", JOB, &json!({ "spec": { "retention": { "last": 2 } } })).await;
    assert_eq!(patched.status, StatusCode::OK, "{}", patched.body);
    assert_eq!(
        (&patched.body["spec"]["retention"]["last"], &patched.body["spec"]["target"]),
        (&json!(2), &job()["target"])
    );
    let target = json!({ "spec": { "target": { "s3": null, "file": { "path": "/b" } } } });
    let patched = fixture.ask("PATCH", JOB, &target).await;
    assert_eq!(patched.body["spec"]["target"], json!({ "file": { "path": "/b" } }), "{}", patched.body);
    let patched = fixture
        .ask(
            "PATCH",
            PROFILE,
            &json!({ "spec": { "spark": {
        "driver_memory": "4096m", "kryo_buffer_max": 2_097_152_000, "driver_max_result_size": "0" } } }),
        )
        .await;
    assert_eq!(
        patched.body["spec"]["spark"],
        json!({ "driver_memory": "4g", "kryo_buffer_max": "2000m", "driver_max_result_size": "0" }),
        "{}",
        patched.body
    );
    let patched = fixture.ask("PATCH", LIMITS, &json!({ "spec": { "by_usage": { "ocr": 1 } } })).await;
    assert_eq!(patched.body["spec"], json!({ "servers_max": 3, "by_usage": { "ocr": 1, "training": 2 } }));
    let missing = fixture.ask("PATCH", "/api/v1/servers/none", &json!({ "spec": {} })).await;
    assert_eq!((missing.status, missing.problem()), (StatusCode::NOT_FOUND, "unknown-server"));
}

#[tokio::test]
async fn a_dry_run_answers_as_the_change_would_and_changes_nothing() {
    let fixture = Fixture::new().await;
    for (kind, path, spec, other) in all() {
        let before = fixture.get(path).await;
        let dry = fixture.ask("PUT", &format!("{path}?dry_run=true"), &json!({ "spec": spec })).await;
        assert_eq!((&dry.body["spec"], &dry.headers["slotway-dry-run"]), (&spec, &"true".parse().unwrap()));
        assert_eq!(fixture.get(path).await.body, before.body, "{path}");
        put(&fixture, path, &spec).await;
        let before = fixture.get(path).await;
        let patch = format!("{path}?dry_run=true");
        fixture.ask("PATCH", &patch, &json!({ "spec": other })).await;
        if kind.is_deletable() {
            assert_eq!(fixture.ask("DELETE", &patch, &Value::Null).await.status, StatusCode::OK);
        }
        assert_eq!(
            fixture.get(path).await.body,
            without_next_runs(&before.body, &fixture.get(path).await.body),
            "{path}"
        );
    }
}

#[tokio::test]
async fn each_change_sends_an_event_with_the_resource_as_get_returns_it() {
    let fixture = Fixture::new().await;
    for (kind, path, spec, other) in all() {
        let mut heard = Listening::to(&fixture, &format!("kinds={}", kind.name), None).await;
        let existed = fixture.get(path).await.status == StatusCode::OK;
        for (spec, action) in [(&spec, if existed { "changed" } else { "created" }), (&other, "changed")] {
            let made = put(&fixture, path, spec).await.body;
            let told = heard.next_of("changed").await;
            assert_eq!((&told["kind"], &told["action"]), (&json!(kind.name), &json!(action)), "{told}");
            assert_eq!((&told["name"], &told["who"]), (&made["metadata"]["name"], &json!("admin token")));
            assert_eq!(told["resource"], without_next_runs(&made, &told["resource"]));
        }
        if kind.is_deletable() {
            fixture.ask("DELETE", path, &Value::Null).await;
            let told = heard.next_of("changed").await;
            assert_eq!((&told["action"], &told["resource"]), (&json!("deleted"), &Value::Null));
        }
    }
}

#[tokio::test]
async fn lists_are_paged_and_ordered_by_name() {
    let fixture = Fixture::new().await;
    for name in ["c", "a", "b"] {
        put(&fixture, &format!("/api/v1/backup-jobs/{name}"), &job()).await;
    }
    let page = fixture.get("/api/v1/backup-jobs?limit=2").await.body;
    let names = |page: &Value| {
        let items = page["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(&page), &page["continue"]), (vec!["a".to_owned(), "b".to_owned()], &json!("b")));
    let page = fixture.get("/api/v1/backup-jobs?limit=2&continue=b").await.body;
    assert_eq!((names(&page), page.get("continue")), (vec!["c".to_owned()], None));
    for query in ["limit=0", "limit=1001", "limit=x"] {
        let refused = fixture.get(&format!("/api/v1/backup-jobs?{query}")).await;
        assert_eq!((refused.status, refused.problem()), (StatusCode::BAD_REQUEST, "bad-body"), "{query}");
    }
}

#[tokio::test]
async fn resources_survive_a_restart_and_are_audited() {
    let fixture = Fixture::new().await;
    let mut before = Vec::new();
    for (_, path, spec, _) in all() {
        put(&fixture, path, &spec).await;
        before.push((path, fixture.get(path).await.body));
    }
    let rows = fixture.get("/api/v1/audit?limit=4").await.body["changes"].clone();
    let kinds: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["server_limits", "server", "resource_profile", "backup_job"]);
    assert_eq!(rows[3]["after"], job());
    let fixture = fixture.restarted().await;
    for (path, body) in before {
        let after = fixture.get(path).await.body;
        assert_eq!(after, without_next_runs(&body, &after), "{path}");
    }
}

#[tokio::test]
async fn the_wire_types_parse_all_answers() {
    fn read<Spec: DeserializeOwned, Status: DeserializeOwned>(one: &Value, list: &Value) {
        serde_json::from_value::<Resource<Spec, Status>>(one.clone()).unwrap();
        serde_json::from_value::<List<Resource<Spec, Status>>>(list.clone()).unwrap();
    }
    let fixture = Fixture::new().await;
    for (kind, path, spec, _) in all() {
        put(&fixture, path, &spec).await;
        let (one, list) = (fixture.get(path).await.body, fixture.get(collection(path)).await.body);
        match kind.name {
            "BackupJob" => read::<BackupJobSpec, BackupJobStatus>(&one, &list),
            "ResourceProfile" => read::<ResourceProfileSpec, ResourceProfileStatus>(&one, &list),
            "Server" => read::<ServerSpec, ServerStatus>(&one, &list),
            _ => read::<ServerLimitsSpec, ServerLimitsStatus>(&one, &list),
        }
    }
}

#[tokio::test]
async fn an_invalid_spec_is_refused_with_its_field_and_changes_nothing() {
    let fixture = Fixture::new().await;
    for (_, path, spec, _) in all() {
        put(&fixture, path, &spec).await;
    }
    let with = |mut spec: Value, pointer: &str, value: Value| {
        *spec.pointer_mut(pointer).unwrap() = value;
        json!({ "spec": spec })
    };
    let job_with = |pointer: &str, value: Value| with(job(), pointer, value);
    let profile_with = |pointer: &str, value: Value| with(profile(), pointer, value);
    let limits = |spec: Value| json!({ "spec": spec });
    for (path, body, field) in [
        (JOB, json!({}), Value::Null),
        (JOB, json!([]), Value::Null),
        (JOB, json!({ "spec": {} }), json!("spec")),
        (JOB, json!({ "spec": job(), "state": 1 }), json!("state")),
        (JOB, json!({ "kind": "Pool", "spec": job() }), json!("kind")),
        (JOB, json!({ "metadata": { "name": "other" }, "spec": job() }), json!("metadata.name")),
        (JOB, json!({ "metadata": { "labels": { "a": "b" } }, "spec": job() }), json!("metadata.labels")),
        (
            JOB,
            json!({ "metadata": { "resourceVersion": "new" }, "spec": job() }),
            json!("metadata.resourceVersion"),
        ),
        (JOB, job_with("/schedule/cron", json!("often")), json!("spec.schedule.cron")),
        (JOB, job_with("/schedule/time_zone", json!("Mars/Olympus")), json!("spec.schedule.time_zone")),
        (JOB, job_with("/target/s3/bucket", json!("user:secret@bucket")), json!("spec.target.s3.bucket")),
        (JOB, job_with("/target", json!({})), json!("spec.target")),
        (JOB, job_with("/target", json!({ "ftp": {} })), json!("spec.target.ftp")),
        (JOB, job_with("/retention/last", json!(0)), json!("spec.retention.last")),
        (JOB, job_with("/retention/last", json!(null)), json!("spec.retention.last")),
        (
            JOB,
            job_with("/subject", json!({ "files": { "paths": ["a"] } })),
            json!("spec.subject.files.paths[0]"),
        ),
        (
            JOB,
            job_with("/subject", json!({ "files": { "paths": ["/a"] }, "store": {} })),
            json!("spec.subject"),
        ),
        ("/api/v1/backup-jobs/Not-One", json!({ "spec": job() }), json!("metadata.name")),
        (PROFILE, profile_with("/memory", json!("1k")), json!("spec.memory")),
        (PROFILE, profile_with("/memory", json!("8 GB")), json!("spec.memory")),
        (PROFILE, profile_with("/cpus", json!(0)), json!("spec.cpus")),
        (PROFILE, profile_with("/cpus", json!("two")), json!("spec.cpus")),
        (PROFILE, profile_with("/gpus", json!(65)), json!("spec.gpus")),
        (PROFILE, limits(json!({ "cpus": 1 })), json!("spec")),
        (LIMITS, limits(json!({})), json!("spec")),
        (
            LIMITS,
            limits(json!({ "servers_max": 1, "by_usage": { "training": 2 } })),
            json!("spec.by_usage.training"),
        ),
        (
            LIMITS,
            limits(json!({ "servers_max": 1, "by_usage": { "training": -1 } })),
            json!("spec.by_usage.training"),
        ),
        (LIMITS, limits(json!({ "servers_max": 1, "x": 1 })), json!("spec.x")),
        ("/api/v1/server-limits/other", limits(json!({ "servers_max": 1 })), json!("metadata.name")),
        (SERVER, json!({ "spec": { "usage": "training" } }), json!("spec")),
        (SERVER, json!({ "spec": server("w1", "training") }), json!("spec.external")),
        (SERVER, json!({ "spec": server(W1, "Not One") }), json!("spec.usage")),
    ] {
        let mut before = Vec::new();
        for (_, path, ..) in all() {
            before.push(version(&fixture.get(path).await));
        }
        let answer = fixture.ask("PUT", path, &body).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"), "{body}");
        assert_eq!(answer.body.get("field").cloned().unwrap_or_default(), field, "{body}: {}", answer.body);
        for ((_, path, ..), before) in all().iter().zip(before) {
            assert_eq!(version(&fixture.get(path).await), before, "{body}");
        }
    }
}

#[tokio::test]
async fn several_kinds_are_applied_together_or_not_at_all() {
    let fixture = Fixture::new().await;
    let item = |kind: &str, name: &str, spec: Value| json!({ "kind": kind, "metadata": { "name": name }, "spec": spec });
    let new = "http://127.0.0.1:9003";
    let items = |training_max: u32| {
        json!({ "items": [
            item("Server", "new", server(new, "training")),
            item("BackupJob", "nightly", job()),
            item("Pool", "training", json!({ "match": { "prefix": "/training" } })),
            item("Worker", new, json!({ "capacity": 1, "pool": "training" })),
            item("ServerLimits", "slotway", json!({ "servers_max": 5, "by_usage": { "training": training_max } })),
            item("ResourceProfile", "gpu", profile()),
        ] })
    };
    let refused = fixture.ask("POST", "/api/v1/apply", &items(0)).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::CONFLICT, "no-place"), "{}", refused.body);
    assert_eq!(refused.body["index"], 0);
    assert_eq!(fixture.get("/api/v1/pools/training").await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get(JOB).await.status, StatusCode::NOT_FOUND);

    let dry = fixture.ask("POST", "/api/v1/apply?dry_run=true", &items(1)).await;
    assert_eq!(dry.status, StatusCode::OK, "{}", dry.body);
    let actions = |body: &Value| {
        let items = body["items"].as_array().unwrap();
        items.iter().map(|item| item["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(fixture.get(JOB).await.status, StatusCode::NOT_FOUND, "a dry run changes nothing");
    let applied = fixture.ask("POST", "/api/v1/apply", &items(1)).await;
    assert_eq!(actions(&applied.body), ["created", "created", "created", "created", "changed", "created"]);
    assert_eq!(actions(&dry.body), actions(&applied.body));
    let versions: Vec<_> = applied.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["after"]["metadata"]["resourceVersion"].clone())
        .collect();
    assert!(versions.iter().all(|version| *version == versions[0]), "one batch: {versions:?}");
    assert_eq!(fixture.get("/api/v1/servers/new").await.body["status"]["is_counted"], true);
    let again = fixture.ask("POST", "/api/v1/apply", &items(1)).await;
    assert_eq!(actions(&again.body), ["unchanged"; 6]);
}

#[tokio::test]
async fn an_invalid_item_of_a_list_is_named_by_its_index() {
    let fixture = Fixture::new().await;
    let item = |kind: &str, name: &str, spec: Value| json!({ "kind": kind, "metadata": { "name": name }, "spec": spec });
    let worker = item("Worker", W1, json!({ "capacity": 3, "pool": "preannotation" }));
    for (second, field) in [
        (item("BackupJob", "a", json!({ "subject": {} })), "spec"),
        (item("BackupJob", "A", job()), "metadata.name"),
        (item("Backup", "a", job()), "kind"),
        (item("User", "a", json!({})), "kind"),
        (json!({ "kind": "BackupJob", "spec": job() }), "metadata.name"),
    ] {
        let refused = fixture.ask("POST", "/api/v1/apply", &json!({ "items": [worker, second] })).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (StatusCode::BAD_REQUEST, "bad-body"),
            "{}",
            refused.body
        );
        assert_eq!(
            (&refused.body["index"], &refused.body["field"]),
            (&json!(1), &json!(field)),
            "{}",
            refused.body
        );
    }
    let token = fixture.token("operator", "workers").await;
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = json!({ "items": [worker, item("BackupJob", "a", job())] }).to_string();
    let refused = fixture.send(axum::http::Method::POST, "/api/v1/apply", &headers, &body).await;
    assert_eq!(
        (refused.status, &refused.body["index"]),
        (StatusCode::FORBIDDEN, &json!(1)),
        "{}",
        refused.body
    );
}
