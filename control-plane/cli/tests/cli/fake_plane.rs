//! A fake control plane: it stores resources as docs/API.md describes, and can be made to misbehave.

use std::{
    collections::BTreeMap,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio_stream::{StreamExt, wrappers::BroadcastStream};

/// The admin token.
pub(crate) const TOKEN: &str = "fake-admin-token-0123456789";

/// It runs on its own thread until it is dropped.
pub(crate) struct FakePlane {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

pub(crate) struct Shared {
    kept: Mutex<FakeState>,
    events: Mutex<broadcast::Sender<Bytes>>,
}

/// The state of the fake control plane.
#[derive(Default)]
pub(crate) struct FakeState {
    /// By the plural in the path and the name.
    pub(crate) resources: BTreeMap<(String, String), Value>,
    pub(crate) version: u64,
    pub(crate) audit: Vec<Value>,
    /// The answer to every request, if set.
    pub(crate) broken: Option<(u16, &'static str)>,
    /// Whether it serves `/api/v1/events`.
    pub(crate) has_events: bool,
    /// Requests so far: method, path, and the header `authorization`.
    pub(crate) asked: Vec<(String, String, Option<String>)>,
    /// The number of resources on a page.
    pub(crate) page: usize,
}

fn worker(name: &str, pool: &str, capacity: u64, status: Value) -> Value {
    json!({
        "kind": "Worker", "metadata": { "name": name, "resourceVersion": "1" },
        "spec": { "pool": pool, "capacity": capacity, "protocol": "http1" }, "status": status
    })
}

impl FakePlane {
    /// Starts a control plane with two pools and three workers: one active, one unreachable, one without a report.
    pub(crate) fn start() -> Self {
        let (events, _) = broadcast::channel(64);
        let shared = Arc::new(Shared { kept: Mutex::default(), events: Mutex::new(events) });
        {
            let mut kept = shared.kept();
            (kept.version, kept.has_events, kept.page) = (9, true, 500);
            let busy = json!({
                "state": "active", "reason": null, "capacity_in_force": 3, "in_flight": 2, "free": 1, "parked": 0,
                "failures": 0, "waiting": 4, "oldest_wait_ms": 1_250, "report_age_ms": 120
            });
            let mut first = worker("http://127.0.0.1:9001", "preannotation", 3, busy);
            first["metadata"]["labels"] = json!({ "gpu": "a100", "rack": "7" });
            first["metadata"]["notes"] = "behind the door".into();
            let parked = json!({
                "state": "parked", "reason": "connection refused", "capacity_in_force": 4, "in_flight": 0, "free": 0,
                "parked": 4, "failures": 6, "waiting": 4, "oldest_wait_ms": 1_250, "report_age_ms": 120
            });
            let unknown = json!({ "state": "unknown", "reason": null, "in_flight": null, "free": null });
            for worker in [
                first,
                worker("http://127.0.0.1:9002", "preannotation", 4, parked),
                worker("https://ocr.example/extractor-web", "ocr", 2, unknown),
            ] {
                kept.put("workers", worker);
            }
            for (position, (name, prefix, waiting)) in
                [("preannotation", "/", 4), ("ocr", "/ocr", 0)].into_iter().enumerate()
            {
                kept.put("pools", json!({
                    "kind": "Pool", "metadata": { "name": name, "resourceVersion": "1" },
                    "spec": { "match": { "prefix": prefix }, "position": position },
                    "status": {
                        "free": 1, "in_flight": 2, "parked": 4, "waiting": waiting, "oldest_wait_ms": waiting * 300,
                        "slots": 7, "workers": 2, "coordinators": 1, "report_age_ms": 120
                    }
                }));
                kept.put("policies", json!({
                    "kind": "Policy", "metadata": { "name": name, "resourceVersion": "1" },
                    "spec": {
                        "free_worker_timeout": "30s", "max_waiting": 1_024, "abandoned_hold": "0s", "answer_timeout": "10m"
                    },
                    "status": {}
                }));
            }
            let ty = |name: &str| format!("type.googleapis.com/envoy.config.{name}");
            kept.put("coordinators", json!({
                "kind": "Coordinator", "metadata": { "name": "edge-1", "resourceVersion": "0" }, "spec": {},
                "status": {
                    "cluster": "slotway", "envoy_version": "1.40.0", "protocol": "incremental", "state": "REJECTED",
                    "connected_since_unix_ms": 0, "generation": 7, "generation_in_force": 6, "report_age_ms": 120,
                    "types": {
                        ty("cluster.v3.Cluster"): {
                            "wanted": "0123456789abcdef", "acked": "fedcba9876543210", "state": "REJECTED",
                            "last_rejection": {
                                "reason": "Invalid path: /nowhere.pem", "at_unix_ms": 1,
                                "changes": [{ "who": "ada", "at_unix_ms": 1, "kind": "worker", "key": "https://ocr.example" }]
                            }
                        },
                        ty("listener.v3.Listener"): { "wanted": "v1", "acked": "v1", "state": "SYNCED", "last_rejection": null }
                    },
                    "pools": [{ "name": "preannotation", "free": 1, "in_flight": 2, "parked": 4, "waiting": 4, "oldest_wait_ms": 1_250 }]
                }
            }));
            kept.put("users", json!({
                "kind": "User", "metadata": { "name": "ada", "resourceVersion": "3" }, "spec": { "role": "admin" }, "status": {}
            }));
            kept.audit = vec![json!({
                "id": 4, "revision": 4, "at": "2026-11-21T10:00:00.5Z", "who": "ada", "kind": "worker",
                "key": "http://127.0.0.1:9001", "before": { "capacity": 2 }, "after": { "capacity": 3 }
            })];
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        Self { port, shared, runtime: Some(runtime) }
    }

    /// Locks the state, for reading and changing.
    pub(crate) fn kept(&self) -> MutexGuard<'_, FakeState> {
        self.shared.kept()
    }

    /// Returns the number of listeners to its events.
    pub(crate) fn listeners(&self) -> usize {
        self.shared.events.lock().unwrap().receiver_count()
    }

    /// Sends an event to all listeners.
    pub(crate) fn tell(&self, event: &str, data: &Value) {
        let id = self.kept().version;
        let _ = self
            .shared
            .events
            .lock()
            .unwrap()
            .send(format!("event: {event}\nid: {id}\ndata: {data}\n\n").into());
    }

    /// Ends the streams of all listeners.
    pub(crate) fn cut_events(&self) {
        *self.shared.events.lock().unwrap() = broadcast::channel(64).0;
    }

    /// Returns a `slotway` command that uses it with its token, without the environment of the test run.
    pub(crate) fn slotway(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slotway"));
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.env("SLOTWAY_API", format!("127.0.0.1:{}", self.port)).env("SLOTWAY_TOKEN", TOKEN);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.slotway(arguments).output().unwrap()
    }
}

impl Drop for FakePlane {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, FakeState> {
        self.kept.lock().unwrap()
    }
}

impl FakeState {
    pub(crate) fn put(&mut self, path: &str, resource: Value) {
        let name = resource["metadata"]["name"].as_str().unwrap().to_owned();
        self.resources.insert((path.to_owned(), name), resource);
    }

    /// Returns an existing resource.
    pub(crate) fn get(&mut self, path: &str, name: &str) -> &mut Value {
        self.resources.get_mut(&(path.to_owned(), name.to_owned())).unwrap()
    }

    fn write(&mut self, path: &str, mut resource: Value) -> Value {
        self.version += 1;
        resource["metadata"]["resourceVersion"] = self.version.to_string().into();
        if let Some(spec) = resource["spec"].as_object_mut() {
            spec.remove("password");
        }
        self.put(path, resource.clone());
        resource
    }
}

fn problem(status: u16, kind: &str, detail: &str, more: Value) -> Response {
    let mut body = json!({
        "type": format!("urn:slotway:problem:{kind}"), "title": kind, "status": status, "detail": detail
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    let shown = parts.headers.get(header::AUTHORIZATION).map(|shown| shown.to_str().unwrap().to_owned());
    let mut kept = shared.kept();
    kept.asked.push((parts.method.to_string(), parts.uri.to_string(), shown.clone()));
    if let Some((status, text)) = kept.broken {
        return (StatusCode::from_u16(status).unwrap(), text).into_response();
    }
    if shown.as_ref().is_some_and(|shown| *shown != format!("Bearer {TOKEN}")) {
        return problem(401, "unauthorized", "the token is wrong", json!({}));
    }
    if parts.method != Method::GET && shown.is_none() {
        return problem(401, "unauthorized", "this needs a token", json!({}));
    }
    let path = parts.uri.path().to_owned();
    let segments: Vec<_> = path.trim_start_matches('/').split('/').map(decoded).collect();
    let segments: Vec<_> = segments.iter().map(String::as_str).collect();
    let query: Vec<_> =
        parts.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).collect();
    let query: Vec<_> = query.iter().map(|(name, value)| (*name, decoded(value))).collect();
    let dry_run = query.iter().any(|(name, value)| *name == "dry_run" && value == "true");
    match (&parts.method, segments.as_slice()) {
        (&Method::GET, ["openapi.json"]) => Json(json!({ "info": { "version": "0.1.0" } })).into_response(),
        (&Method::GET, ["coordinator", "envoys"]) => Json(json!([])).into_response(),
        (&Method::GET, ["api", "v1", "audit"]) => {
            Json(json!({ "changes": kept.audit, "next": null })).into_response()
        }
        (&Method::GET, ["api", "v1", "events"]) if kept.has_events => {
            let events =
                BroadcastStream::new(shared.events.lock().unwrap().subscribe()).map_while(Result::ok);
            let first = tokio_stream::once(Bytes::from_static(b": welcome\n\n"));
            let body = Body::from_stream(first.chain(events).map(Ok::<_, std::convert::Infallible>));
            ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
        }
        (&Method::POST, ["api", "v1", "apply"]) => apply(&mut kept, &body, dry_run),
        (&Method::POST, ["api", "v1", "tokens"]) => {
            let mut token = kept.write("tokens", {
                let mut token = body;
                token["kind"] = "Token".into();
                token["status"] = json!({});
                token
            });
            token["secret"] = "slotway_0123456789abcdef".into();
            (StatusCode::CREATED, Json(token)).into_response()
        }
        (&Method::GET, ["api", "v1", kind]) => list(&kept, kind, &query),
        (_, ["api", "v1", kind, name, rest @ ..]) => {
            one(&mut kept, &parts.method, &parts.headers, kind, name, rest, body, dry_run)
        }
        _ => problem(404, "not-found", "there is nothing here", json!({})),
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn list(kept: &FakeState, kind: &str, query: &[(&str, String)]) -> Response {
    let all = kept.resources.iter().filter(|((path, _), _)| path == kind);
    let chosen = all.map(|((_, name), resource)| (name, resource)).filter(|(_, resource)| {
        query.iter().all(|(field, value)| match *field {
            "pool" => resource["spec"]["pool"] == **value,
            "state" => resource["status"]["state"] == **value,
            "label" => value
                .split_once('=')
                .is_some_and(|(name, value)| resource["metadata"]["labels"][name] == *value),
            _ => true,
        })
    });
    let after = query.iter().find(|(name, _)| *name == "continue").map(|(_, after)| after.clone());
    let mut rest = chosen.filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after)).peekable();
    let mut items = Vec::new();
    while items.len() < kept.page && rest.peek().is_some() {
        items.extend(rest.next());
    }
    let next = rest.peek().and(items.last()).map(|(name, _)| (*name).clone());
    let items: Vec<_> = items.into_iter().map(|(_, resource)| resource.clone()).collect();
    let mut page = json!({ "kind": "List", "resourceVersion": kept.version.to_string(), "items": items });
    if let Some(next) = next {
        page["continue"] = next.into();
    }
    Json(page).into_response()
}

#[allow(clippy::too_many_arguments, reason = "all parts of a request")]
fn one(
    kept: &mut FakeState,
    method: &Method,
    headers: &HeaderMap,
    kind: &str,
    name: &str,
    rest: &[&str],
    body: Value,
    dry_run: bool,
) -> Response {
    let there = kept.resources.get(&(kind.to_owned(), name.to_owned())).cloned();
    if headers.contains_key(header::IF_NONE_MATCH) && there.is_some() {
        return problem(412, "stale", "there is one already", json!({}));
    }
    if *method == Method::PUT {
        let mut made = json!({ "kind": "User", "metadata": { "name": name }, "spec": {}, "status": {} });
        merge(&mut made, body);
        return (StatusCode::CREATED, Json(kept.write(kind, made))).into_response();
    }
    let Some(mut resource) = there else {
        let known: Vec<_> =
            kept.resources.keys().filter(|(path, _)| path == kind).map(|(_, name)| name.clone()).collect();
        return problem(404, "unknown", &format!("there is no {name:?}"), json!({ "known": known }));
    };
    let expected = body["metadata"]["resourceVersion"].as_str();
    if expected.is_some_and(|expected| resource["metadata"]["resourceVersion"] != *expected) {
        return problem(412, "stale", "it is at another version now", json!({}));
    }
    match (method, rest) {
        (&Method::GET, []) => Json(resource).into_response(),
        (&Method::PATCH, []) => {
            merge(&mut resource, body);
            Json(if dry_run { resource } else { kept.write(kind, resource) }).into_response()
        }
        (&Method::DELETE, []) => {
            let draining = resource["status"]["in_flight"].as_u64().unwrap_or(0) > 0;
            if !dry_run && draining {
                resource["status"]["state"] = "draining".into();
                kept.put(kind, resource.clone());
            } else if !dry_run {
                kept.resources.remove(&(kind.to_owned(), name.to_owned()));
            }
            let status = if draining { StatusCode::ACCEPTED } else { StatusCode::OK };
            (status, Json(resource)).into_response()
        }
        (&Method::POST, [verb @ ("cordon" | "drain" | "uncordon")]) => {
            let left = resource["status"]["in_flight"].as_u64();
            resource["spec"]["cordoned"] = (*verb != "uncordon").into();
            resource["status"]["state"] = match (*verb, left) {
                ("uncordon", _) => "active",
                (_, Some(0)) => "drained",
                _ => "cordoned",
            }
            .into();
            Json(if dry_run { resource } else { kept.write(kind, resource) }).into_response()
        }
        _ => problem(405, "method-not-allowed", "not with this method", json!({})),
    }
}

fn apply(kept: &mut FakeState, body: &Value, dry_run: bool) -> Response {
    let items = body["items"].as_array().unwrap();
    let mut outcomes = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let kind = item["kind"].as_str().unwrap();
        let bad = |field: &str, detail: &str| {
            problem(400, "bad-body", detail, json!({ "index": index, "field": field }))
        };
        if let Some(unknown) =
            item["spec"].as_object().unwrap().keys().find(|field| field.ends_with("wating"))
        {
            return bad(&format!("spec.{unknown}"), &format!("unknown field `{unknown}`"));
        }
        if item["spec"]["capacity"] == 0 {
            return bad("spec.capacity", "it must be from 1 to 65535, not 0");
        }
        let pool = item["spec"]["pool"].as_str().unwrap_or("preannotation");
        let made_here =
            items.iter().any(|other| other["kind"] == "Pool" && other["metadata"]["name"] == *pool);
        if kind == "Worker"
            && !made_here
            && !kept.resources.contains_key(&("pools".to_owned(), pool.to_owned()))
        {
            return bad("spec.pool", &format!("there is no pool {pool:?}"));
        }
        let path = match kind {
            "Policy" => "policies".to_owned(),
            kind => kind.to_ascii_lowercase() + "s",
        };
        let name = item["metadata"]["name"].as_str().unwrap().to_owned();
        let before = kept.resources.get(&(path.clone(), name.clone())).cloned();
        let mut after = before.clone().unwrap_or_else(|| json!({ "status": { "state": "pending" } }));
        merge(&mut after, item.clone());
        let action = match &before {
            None => "created",
            Some(before) if *before == after => "unchanged",
            Some(_) => "changed",
        };
        outcomes.push((
            path,
            json!({ "kind": kind, "name": name, "action": action, "before": before, "after": after }),
        ));
    }
    let mut answered = Vec::new();
    for (path, mut outcome) in outcomes {
        if !dry_run && outcome["action"] != "unchanged" {
            outcome["after"] = kept.write(&path, outcome["after"].clone());
        }
        answered.push(outcome);
    }
    Json(json!({ "items": answered })).into_response()
}

fn merge(there: &mut Value, patch: Value) {
    match patch {
        Value::Object(fields) if there.is_object() => {
            for (name, value) in fields {
                merge(&mut there[name], value);
            }
        }
        other => *there = other,
    }
}
