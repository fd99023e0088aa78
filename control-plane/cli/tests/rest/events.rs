//! Server-sent events.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use slotway_coordinators::types::FILTER;

use crate::{
    fixture::{Fixture, worker_path},
    listening::Listening,
    scripted_envoy::{ScriptedEnvoy, soon},
};

const W1: &str = "http://127.0.0.1:9001";
const NEW: &str = "http://127.0.0.1:9003";

async fn put(fixture: &Fixture, url: &str, capacity: u32) -> Value {
    let body = json!({ "spec": { "pool": "preannotation", "capacity": capacity } });
    let answer = fixture.ask("PUT", &worker_path(url), &body).await;
    assert!(answer.status.is_success(), "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn an_event_has_the_author_and_the_resource_as_get_returns_it() {
    let fixture = Fixture::new().await;
    let mut heard = Listening::to(&fixture, "kinds=Worker", None).await;
    heard.next_of("figures").await;

    let made = put(&fixture, NEW, 2).await;
    let created = heard.next_event("changed").await;
    assert_eq!(
        (created.event.as_str(), created.id.unwrap().to_string()),
        ("changed", made["metadata"]["resourceVersion"].as_str().unwrap().to_owned())
    );
    assert_eq!(created.data["kind"], "Worker");
    assert_eq!((&created.data["name"], &created.data["action"]), (&json!(NEW), &json!("created")));
    assert_eq!(created.data["who"], "admin token");
    assert_eq!(created.data["resource"]["spec"], made["spec"]);
    assert_eq!(created.data["resource"]["metadata"], made["metadata"]);
    assert_eq!(fixture.get(&worker_path(NEW)).await.body["spec"], created.data["resource"]["spec"]);

    put(&fixture, NEW, 5).await;
    let changed = heard.next_of("changed").await;
    assert_eq!(
        (&changed["action"], &changed["resource"]["spec"]["capacity"]),
        (&json!("changed"), &json!(5))
    );

    // No coordinator is connected that could have a request there: the worker drains and is deleted a minute later. A
    // worker of the file remains as a marker.
    fixture.delete(NEW).await;
    let drains = heard.next_of("changed").await;
    assert_eq!(
        (&drains["action"], &drains["resource"]["status"]["state"]),
        (&json!("changed"), &json!("draining"))
    );
}

#[tokio::test]
async fn creating_and_deleting_a_pool_sends_events_for_its_policy_too() {
    let fixture = Fixture::new().await;
    let mut heard = Listening::to(&fixture, "kinds=Pool,Policy", None).await;
    let body = json!({ "spec": { "match": { "prefix": "/training" } } });
    assert_eq!(fixture.ask("PUT", "/api/v1/pools/training", &body).await.status, StatusCode::CREATED);
    assert_eq!(fixture.ask("DELETE", "/api/v1/pools/training", &json!(null)).await.status, StatusCode::OK);
    // A pool of the file remains as a marker, which is not visible.
    assert_eq!(fixture.ask("DELETE", "/api/v1/pools/ocr", &json!(null)).await.status, StatusCode::OK);
    let mut told = std::collections::BTreeSet::new();
    while !told.contains("deleted Pool ocr") {
        let data = heard.next_of("changed").await;
        let word = |field: &str| data[field].as_str().unwrap().to_owned();
        told.insert(format!("{} {} {}", word("action"), word("kind"), word("name")));
        assert!(data["resource"].is_null() || word("action") != "deleted", "{data}");
    }
    for line in [
        "created Policy training",
        "created Pool training",
        "deleted Policy training",
        "deleted Pool training",
    ] {
        assert!(told.contains(line), "{line} is not in {told:?}");
    }
}

#[tokio::test]
async fn a_listener_that_reconnects_with_its_last_id_misses_nothing() {
    let fixture = Fixture::new().await;
    let mut heard = Listening::to(&fixture, "kinds=Worker", None).await;
    put(&fixture, NEW, 1).await;
    heard.next_of("changed").await;
    let last_id = heard.last_id;
    drop(heard);
    for capacity in 2..30 {
        put(&fixture, NEW, capacity).await;
    }
    let mut heard = Listening::to(&fixture, "kinds=Worker", last_id).await;
    let mut ids = Vec::new();
    for round in 2..40 {
        if round == 30 {
            for capacity in 30..40 {
                put(&fixture, NEW, capacity).await;
            }
        }
        let changed = heard.next_event("changed").await;
        ids.push(changed.id.unwrap());
        assert_eq!(changed.data["who"], "admin token");
    }
    assert!(ids.is_sorted_by(|one, next| one < next), "each event once and in order: {ids:?}");

    // The query parameter works like the header, for the first request of a browser.
    let mut again = Listening::to(&fixture, &format!("kinds=Worker&after={}", ids[35]), None).await;
    for id in &ids[36..] {
        again.next_of("changed").await;
        assert_eq!(again.last_id, Some(*id));
    }
}

#[tokio::test]
async fn a_listener_that_missed_too_much_gets_a_resync() {
    let fixture = Fixture::new().await;
    // A version of another database.
    let mut ahead = Listening::to(&fixture, "", Some(1_000_000)).await;
    assert_eq!(ahead.next_of("resync").await, json!({}));
    let revision = ahead.last_id.unwrap();
    assert!(revision < 1_000, "{revision}");

    let mut heard = Listening::to(&fixture, "kinds=Worker", None).await;
    heard.next_of("figures").await;
    let many: Vec<_> = (0..1_001)
        .map(|n| json!({ "worker": format!("http://10.0.{}.{}", n / 250, n % 250), "capacity": 1 }))
        .collect();
    assert_eq!(fixture.post(&json!(many).to_string()).await.status, StatusCode::OK);
    assert_eq!(heard.next_of("resync").await, json!({}));
    let now = heard.last_id.unwrap();
    // A listener that was disconnected meanwhile gets the same event.
    let mut away = Listening::to(&fixture, "kinds=Worker", Some(revision)).await;
    assert_eq!(away.next_of("resync").await, json!({}));
    assert_eq!(away.last_id, Some(now));
}

#[tokio::test]
async fn figures_are_sent_completely_first_and_then_as_differences() {
    let fixture = Fixture::new().await;
    let mut heard = Listening::to(&fixture, "", None).await;
    let names = |figures: &Value, of: &str| {
        let items = figures[of].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let whole = heard.next_of("figures").await;
    assert_eq!(names(&whole, "pools"), ["preannotation", "ocr"]);
    assert_eq!(names(&whole, "workers"), [W1, "http://127.0.0.1:9002"]);
    assert_eq!(whole["workers"][0]["status"]["state"], "unknown");

    let report = |sequence: u64, full: bool, in_flight: u32| {
        let worker = json!({ "worker": W1, "capacity": 3, "in_flight": in_flight, "free": 3 - in_flight,
                             "parked": 0, "failures": 0, "state": "active" });
        let other = json!({ "worker": "http://127.0.0.1:9002", "capacity": 4, "in_flight": 0, "free": 4,
                            "parked": 0, "failures": 0, "state": "active" });
        let workers = if full { vec![worker, other] } else { vec![worker] };
        let pool = json!({ "pool": "preannotation", "free": 7 - in_flight, "in_flight": in_flight, "parked": 0,
                           "waiting": 0, "oldest_wait_ms": 0, "workers": workers });
        json!({ "coordinator": "edge", "reporter": 1, "sequence": sequence, "full": full, "generation": 1,
                "pools": [pool] })
    };
    assert_eq!(fixture.report(&report(1, true, 0)).await.status, StatusCode::NO_CONTENT);
    let first = heard.next_of("figures").await;
    assert_eq!(names(&first, "workers").len(), 2);
    assert_eq!(fixture.report(&report(2, false, 2)).await.status, StatusCode::NO_CONTENT);
    let next = heard.next_of("figures").await;
    assert_eq!(
        (names(&next, "pools"), names(&next, "workers")),
        (vec!["preannotation".to_owned()], vec![W1.to_owned()])
    );
    assert_eq!(next["workers"][0]["status"]["in_flight"], 2);
    let get = fixture.get(&worker_path(W1)).await.body;
    assert_eq!(get["status"]["state"], next["workers"][0]["status"]["state"]);

    // Repeated figures send no event: the next event is the next change.
    assert_eq!(fixture.report(&report(3, false, 2)).await.status, StatusCode::NO_CONTENT);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(fixture.report(&report(4, false, 3)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(heard.next_of("figures").await["workers"][0]["status"]["in_flight"], 3);
}

#[tokio::test]
async fn connections_acknowledgements_and_disconnections_of_coordinators_send_events() {
    let fixture = Fixture::new().await;
    let mut heard = Listening::to(&fixture, "kinds=Coordinator", None).await;
    assert_eq!(heard.next().await.unwrap().data, json!([]));
    let mut envoy = ScriptedEnvoy::connect(fixture.control_plane.xds, "edge", "slotway", None).await;
    let state = async |heard: &mut Listening| {
        let coordinators = heard.next_of("coordinators").await;
        assert_eq!((coordinators.as_array().unwrap().len(), &coordinators[0]["name"]), (1, &json!("edge")));
        coordinators[0]["state"].clone()
    };
    assert_eq!(state(&mut heard).await, "STALE");
    envoy.accept_until(FILTER).await;
    assert_eq!(state(&mut heard).await, "SYNCED");
    let mut late = Listening::to(&fixture, "kinds=Coordinator", None).await;
    assert_eq!(late.next().await.unwrap().data, json!([{ "name": "edge", "state": "SYNCED" }]));
    drop(envoy);
    assert_eq!(state(&mut heard).await, json!(null));
}

#[tokio::test]
async fn only_admins_receive_events_about_users_and_none_contains_a_secret() {
    let fixture = Fixture::new().await;
    let authorization = fixture.control_plane.token.authorization();
    let api = fixture.control_plane.api;
    let mut admin = Listening::with(api, "kinds=User,Worker", None, Some(&authorization)).await.unwrap();
    let mut reader = Listening::to(&fixture, "kinds=User,Worker", None).await;
    let password = "correct horse battery staple";
    let body = json!({ "spec": { "role": "viewer", "password": password } });
    let made = fixture.ask("PUT", "/api/v1/users/ada", &body).await;
    assert!(made.status.is_success(), "{}", made.body);
    put(&fixture, NEW, 1).await;

    let user = admin.next_of("changed").await;
    assert_eq!(
        (&user["kind"], &user["name"], &user["resource"]),
        (&json!("User"), &json!("ada"), &json!(null))
    );
    assert!(!user.to_string().contains(password) && !user.to_string().contains("argon2"), "{user}");
    assert_eq!(reader.next_of("changed").await["kind"], "Worker");
}

#[tokio::test]
async fn an_invalid_subscription_is_refused() {
    let fixture = Fixture::new().await;
    for (query, says) in [
        ("kinds=", "there is Worker, Pool, Policy"),
        ("kinds=worker", "\"worker\" is no kind"),
        ("kinds=Worker,Fact", "\"Fact\" is no kind"),
        ("after=x", "there is kinds, after and for"),
        ("after=-1", "there is kinds, after and for"),
        ("after=9223372036854775808", "at most 9223372036854775807"),
        ("for=", "\"\" is not a duration"),
        ("for=soon", "\"soon\" is not a duration"),
        ("for=25h", "25h is too long: at most 24h"),
        ("since=1", "there is kinds, after and for"),
    ] {
        let answer = fixture.get(&format!("/api/v1/events?{query}")).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"), "{query}");
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{query}: {}", answer.body);
    }
    let headers = [("last-event-id", "abc")];
    let answer = fixture.send(axum::http::Method::GET, "/api/v1/events", &headers, "").await;
    assert_eq!((answer.status, &answer.body["field"]), (StatusCode::BAD_REQUEST, &json!("last-event-id")));
}

#[tokio::test]
async fn a_limited_duration_delivers_the_events_so_far_and_ends() {
    let fixture = Fixture::new().await;
    let before = put(&fixture, "http://a", 1).await;
    let after = before["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    put(&fixture, "http://b", 1).await;
    // The change becomes an event a moment after it is made.
    let heard = async {
        loop {
            let query = format!("kinds=Worker&after={after}&for=0s");
            let mut listening = Listening::to(&fixture, &query, None).await;
            let mut changed = Vec::new();
            while let Some(heard) = listening.next().await {
                changed.extend((heard.event == "changed").then(|| heard.data["name"].clone()));
            }
            if !changed.is_empty() {
                break changed;
            }
        }
    };
    assert_eq!(soon(heard).await, ["http://b"]);
    // The stream continues until the end of the time.
    let mut listening = Listening::to(&fixture, "kinds=Worker&for=24h", None).await;
    put(&fixture, "http://c", 1).await;
    assert_eq!(listening.next_of("changed").await["name"], "http://c");
}

#[tokio::test]
async fn the_stream_ends_when_the_credentials_are_revoked() {
    let fixture = Fixture::new().await;
    let authorization = format!("Bearer {}", fixture.token("board", "read").await);
    let api = fixture.control_plane.api;
    let mut listening = Listening::with(api, "kinds=Worker", None, Some(&authorization)).await.unwrap();
    put(&fixture, "http://a", 1).await;
    assert_eq!(listening.next_of("changed").await["name"], "http://a");
    let gone = fixture.admin(axum::http::Method::DELETE, "/api/v1/tokens/board", &json!(null)).await;
    assert!(gone.status.is_success(), "{}", gone.body);
    while listening.next().await.is_some() {}
    let again = Listening::with(api, "kinds=Worker", None, Some(&authorization)).await;
    assert_eq!(again.err(), Some(StatusCode::UNAUTHORIZED));
}

async fn listeners(fixture: &Fixture) -> u64 {
    let metrics = fixture.get("/metrics").await.body;
    let line =
        metrics.as_str().unwrap().lines().find_map(|line| line.strip_prefix("slotway_event_listeners "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_number_of_listeners_is_limited_and_a_disconnect_frees_a_place() {
    let fixture = Fixture::new().await;
    let mut all = Vec::new();
    for _ in 0..256 {
        all.push(Listening::to(&fixture, "kinds=Policy", None).await);
    }
    let api = fixture.control_plane.api;
    let refused = fixture.get("/api/v1/events").await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::SERVICE_UNAVAILABLE, "no-events"));
    drop(all.pop());
    soon(async {
        while Listening::with(api, "", None, None).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_slow_listener_is_disconnected_and_can_reconnect() {
    let fixture = Fixture::new().await;
    let mut slow = Listening::to(&fixture, "kinds=Worker", None).await;
    slow.next_of("figures").await;
    let last_id = slow.last_id;
    // Each change sends some megabytes, which the listener does not read.
    let apply = async |round: usize| {
        let item = |n: usize| {
            json!({ "kind": "Worker", "metadata": { "name": format!("http://10.0.{}.{}", n / 250, n % 250),
                    "notes": format!("{round}{}", "n".repeat(4_000)) }, "spec": { "capacity": 1 } })
        };
        let items: Vec<_> = (0..400).map(item).collect();
        let answer = fixture.ask("POST", "/api/v1/apply", &json!({ "items": items })).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    };
    let mut rounds = 0;
    while listeners(&fixture).await == 1 {
        apply(rounds).await;
        rounds += 1;
        assert!(rounds < 50, "the listener is still connected");
    }
    let mut changes = 0;
    while let Some(heard) = slow.next().await {
        changes += usize::from(heard.event == "changed");
    }
    assert!(changes < 400 * rounds, "the listener has received all events");
    // The listener continues where it was disconnected.
    assert!(slow.last_id >= last_id);
    let mut again = Listening::to(&fixture, "kinds=Worker", slow.last_id).await;
    assert!(["changed", "resync"].contains(&again.next().await.unwrap().event.as_str()));
}

#[tokio::test]
async fn at_the_end_of_the_control_plane_the_events_end() {
    let fixture = Fixture::new().await;
    let mut heard = Listening::to(&fixture, "", None).await;
    heard.next_of("figures").await;
    let Fixture { control_plane, .. } = fixture;
    let (_, ended) = tokio::join!(soon(control_plane.finish(Duration::from_secs(30))), async {
        while heard.next().await.is_some() {}
    });
    let () = ended;
}
