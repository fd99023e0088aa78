//! Pools and policies of several control planes on one PostgreSQL database, each a process.

use std::thread;

use serde_json::{Value, json};
use slotway_test_postgres::Postgres;

use crate::{http::send, installation::wait_for, several::Member};

impl Member {
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        send(self.api(), method, path, &self.token(), &body).unwrap()
    }

    /// Returns the pools with their specs and versions, and their policies.
    fn pools(&self) -> Vec<Value> {
        let items = |path: &str| {
            let (_, list) = self.get(path).unwrap();
            let item = |item: &Value| json!([item["metadata"], item["spec"]]);
            list["items"].as_array().unwrap().iter().map(item).collect::<Vec<_>>()
        };
        [items("/api/v1/pools"), items("/api/v1/policies")].concat()
    }
}

fn pool(prefix: &str) -> Value {
    json!({ "spec": { "match": { "prefix": prefix } } })
}

#[test]
fn a_pool_of_one_control_plane_exists_at_the_other_and_after_both_were_killed() {
    let postgres = Postgres::start();
    let (mut one, mut other) = (Member::start(&postgres), Member::start(&postgres));
    assert_eq!(one.ask("PUT", "/api/v1/pools/made", &pool("/made")).0, 201);
    let worker = json!({ "spec": { "capacity": 2, "pool": "made" } });
    // The other control plane reads the first one's change before it makes its own.
    assert_eq!(other.ask("PUT", "/api/v1/workers/http%3A%2F%2Fadded-a", &worker).0, 201);
    assert_eq!(other.ask("PATCH", "/api/v1/policies/made", &json!({ "spec": { "max_waiting": 3 } })).0, 200);
    wait_for("the policy at the first control plane", || (one.pools() == other.pools()).then_some(()));
    assert_eq!(one.ask("DELETE", "/api/v1/pools/made", &Value::Null).0, 409, "it has a worker");

    let before = one.pools();
    one.kill();
    other.kill();
    one.start_again();
    other.start_again();
    assert_eq!((&one.pools(), &other.pools()), (&before, &before));
}

#[test]
fn concurrent_changes_of_one_pool_overwrite_no_unseen_change() {
    const EACH: usize = 15;
    let postgres = Postgres::start();
    let members = [Member::start(&postgres), Member::start(&postgres)];
    assert_eq!(members[0].ask("PUT", "/api/v1/pools/made", &pool("/0")).0, 201);
    // Each admin changes the version that it has read, and reads again after a conflict.
    thread::scope(|scope| {
        for member in &members {
            scope.spawn(move || {
                for _ in 0..EACH {
                    wait_for("a turn", || {
                        let (status, there) = member.get("/api/v1/pools/made").unwrap();
                        if status != 200 {
                            return None;
                        }
                        let prefix = there["spec"]["match"]["prefix"].as_str().unwrap();
                        let number: usize = prefix[1..].parse().unwrap();
                        let mut next = pool(&format!("/{}", number + 1));
                        next["metadata"] = json!({ "resourceVersion": there["metadata"]["resourceVersion"] });
                        match member.ask("PUT", "/api/v1/pools/made", &next) {
                            (200, _) => Some(()),
                            (412, _) => None,
                            other => panic!("{other:?}"),
                        }
                    });
                }
            });
        }
    });
    let last = format!("/{}", 2 * EACH);
    for member in &members {
        wait_for("the last one", || {
            let (_, there) = member.get("/api/v1/pools/made").unwrap();
            (there["spec"]["match"]["prefix"] == last).then_some(())
        });
    }
}
