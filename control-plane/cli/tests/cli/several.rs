//! Several control planes on one PostgreSQL database, each a process.

use std::{
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::Value;
use slotway_test_postgres::Postgres;

use crate::{
    http::{NOBODY, send},
    installation::{Installation, Running, stdout, wait_for},
};

/// A control plane on the shared database.
pub(crate) struct Member {
    installation: Installation,
    url: String,
    process: Option<Running>,
}

impl Member {
    pub(crate) fn start(postgres: &Postgres) -> Self {
        let installation = Installation::new();
        // All members have the same file except for their ports.
        let (file, own) = (installation.path("f.yaml"), format!("127.0.0.1:{}'", installation.ports[4]));
        let yaml = std::fs::read_to_string(&file).unwrap();
        assert!(yaml.contains(&own), "{yaml}");
        std::fs::write(&file, yaml.replace(&own, "127.0.0.1:9'")).unwrap();
        let mut member = Self { installation, url: postgres.url(), process: None };
        member.start_again();
        member
    }

    pub(crate) fn start_again(&mut self) {
        let mut serve = self.installation.slotway(&["serve", "-f", "f.yaml", "--filter", "filter.wasm"]);
        serve.env("SLOTWAY_STORE", &self.url).stdout(Stdio::null());
        self.process = Some(Running(serve.spawn().unwrap()));
        wait_for("an answer", || self.get("/readyz").filter(|(status, _)| *status == 200));
    }

    pub(crate) fn kill(&mut self) {
        drop(self.process.take());
    }

    pub(crate) fn api(&self) -> u16 {
        self.installation.ports[1]
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.installation.path("state/admin-token")).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Option<(u16, Value)> {
        send(self.api(), "GET", path, NOBODY, "")
    }

    /// Returns URL and capacity of the workers that were added over REST, sorted.
    fn added(&self) -> Vec<(String, u64)> {
        let (status, rows) = self.get("/coordinator/workers").unwrap();
        assert_eq!(status, 200);
        let row =
            |row: &Value| (row["worker"].as_str().unwrap().to_owned(), row["capacity"].as_u64().unwrap());
        let mut rows: Vec<_> = rows.as_array().unwrap().iter().map(row).collect();
        rows.retain(|(worker, _)| worker.starts_with("http://added"));
        rows.sort();
        rows
    }

    fn generation(&self) -> u64 {
        let (_, rows) = self.get("/coordinator/workers").unwrap();
        rows[0]["generation_wanted"].as_u64().unwrap()
    }
}

fn list(workers: &[(&str, u64)]) -> String {
    let entry = |(name, capacity): &(&str, u64)| {
        format!(r#"{{"worker": "http://added-{name}", "capacity": {capacity}}}"#)
    };
    format!("[{}]", workers.iter().map(entry).collect::<Vec<_>>().join(","))
}

#[test]
fn a_change_at_one_control_plane_arrives_at_the_other() {
    let postgres = Postgres::start();
    let (one, other) = (Member::start(&postgres), Member::start(&postgres));
    for (from, to, capacity) in [(&one, &other, 1), (&other, &one, 2), (&one, &other, 3)] {
        let change = list(&[("a", capacity), ("b", capacity)]);
        let (status, _) = send(from.api(), "POST", "/coordinator/workers", &from.token(), &change).unwrap();
        assert_eq!(status, 200);
        wait_for("the change", || {
            to.added().iter().all(|(_, c)| *c == capacity).then_some(()).filter(|()| to.added().len() == 2)
        });
        wait_for("the same generation at both", || (from.generation() == to.generation()).then_some(()));
    }
    let path = "/coordinator/workers?worker=http://added-a";
    send(other.api(), "DELETE", path, &other.token(), "").unwrap();
    let state = |member: &Member| {
        let (_, rows) = member.get("/coordinator/workers").unwrap();
        let row = rows.as_array().unwrap().iter().find(|row| row["worker"] == "http://added-a").cloned();
        row.map(|row| row["state"].as_str().unwrap().to_owned())
    };
    wait_for("the removal", || (state(&one).as_deref() == Some("draining")).then_some(()));
    // Both know the author of each change.
    let audit = |member: &Member| {
        let output = member.installation.run(&["audit", "-f", "f.yaml", "-o", "json", "--kind", "worker"]);
        assert!(output.status.success(), "{output:?}");
        stdout(&output)
    };
    assert_eq!(audit(&one), audit(&other));
    assert!(audit(&one).contains("http://added-b"));
}

#[test]
fn concurrent_changes_of_two_admins_lose_nothing() {
    const EACH: u64 = 25;
    let postgres = Postgres::start();
    let members = [Member::start(&postgres), Member::start(&postgres)];
    thread::scope(|scope| {
        for (name, member) in ["x", "y"].into_iter().zip(&members) {
            scope.spawn(move || {
                for number in 0..EACH {
                    // One worker that only this admin changes, and one that both change.
                    let own = format!("{name}{number:02}");
                    let change = list(&[(&own, 1), ("both", number + 1)]);
                    let (status, body) =
                        send(member.api(), "POST", "/coordinator/workers", &member.token(), &change).unwrap();
                    assert_eq!(status, 200, "{body}");
                    let seen = |row: &Value| row["worker"] == format!("http://added-{own}");
                    assert!(body.as_array().unwrap().iter().any(seen), "its own change is in the answer");
                }
            });
        }
    });
    let count = usize::try_from(2 * EACH + 1).unwrap();
    for member in &members {
        wait_for("all changes of both", || (member.added().len() == count).then_some(()));
    }
    assert_eq!(members[0].added(), members[1].added());
    let rows = "SELECT count(*) FROM slotway.audit WHERE who = 'admin token'";
    let both = "SELECT count(*) FROM slotway.audit WHERE who = 'admin token' AND key = 'http://added-both'";
    let both: u64 = postgres.sql(both).parse().unwrap();
    assert_eq!(
        postgres.sql(rows),
        (2 * EACH + both).to_string(),
        "each change has its audit rows exactly once"
    );
}

#[test]
fn a_control_plane_that_is_killed_during_writes_loses_nothing_and_leaves_no_partial_change() {
    let postgres = Postgres::start();
    let mut one = Member::start(&postgres);
    let other = Member::start(&postgres);
    let mut kept = Vec::new();
    let mut half_done = Vec::new();
    for round in 0..5 {
        let writes = AtomicBool::new(false);
        let (api, token) = (one.api(), one.token());
        let (answered, open) = thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let (mut answered, mut number) = (Vec::new(), 0);
                loop {
                    let (left, right) = (format!("{round}-{number:03}-l"), format!("{round}-{number:03}-r"));
                    let change = list(&[(&left, 1), (&right, 1)]);
                    match send(api, "POST", "/coordinator/workers", &token, &change) {
                        Some((200, _)) => answered.push((left, right)),
                        _ => return (answered, (left, right)),
                    }
                    number += 1;
                    writes.store(number >= 3, Ordering::Relaxed);
                }
            });
            // The process is killed after a few writes, and so probably during one.
            while !writes.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            one.kill();
            writer.join().unwrap()
        });
        kept.extend(answered);
        half_done.push(open);
        one.start_again();
    }
    let there = |name: &String, added: &[(String, u64)]| added.contains(&(format!("http://added-{name}"), 1));
    for member in [&other, &one] {
        let added = wait_for("all acknowledged changes", || {
            let added = member.added();
            kept.iter().all(|(left, right)| there(left, &added) && there(right, &added)).then_some(added)
        });
        for (left, right) in &half_done {
            assert_eq!(there(left, &added), there(right, &added), "{left} and {right} belong together");
        }
    }
    wait_for("both agree", || (one.added() == other.added()).then_some(()));
}
