//! Backup of the whole store into one file, and restore.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Output, Stdio},
};

use serde_json::Value;
use slotway_test_postgres::Postgres;

use crate::{
    golden::told,
    http::{NOBODY, send},
    installation::{Installation, Running, stderr, stdout, wait_for},
    real_plane::SITE,
};

/// A configuration in which the file's worker is cordoned, with one more worker.
fn site() -> String {
    let cordoned = SITE.replace("capacity: 2", "capacity: 2, cordoned: true");
    let more = "kind: Worker\nmetadata: { name: 'http://127.0.0.1:8' }\nspec: { pool: ocr, capacity: 4 }\n";
    format!("{cordoned}---\n{more}")
}

/// A configuration file, and its control plane while it runs.
struct Plane {
    installation: Installation,
    store: Option<String>,
    serving: Option<Running>,
}

impl Plane {
    fn stopped(store: Option<String>) -> Self {
        Self { installation: Installation::new(), store, serving: None }
    }

    fn start(store: Option<String>) -> Self {
        let mut plane = Self::stopped(store);
        plane.serve();
        plane
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        let store = self.store.as_deref().map(|url| ("SLOTWAY_STORE", url));
        [("SLOTWAY_CONFIG", "f.yaml")].into_iter().chain(store).collect()
    }

    fn serve(&mut self) {
        let serving = self.installation.serving(&self.variables());
        wait_for("readiness", || self.get("/readyz"));
        self.serving = Some(serving);
    }

    fn stop(&mut self) {
        let mut serving = self.serving.take().unwrap();
        serving.signal(rustix::process::Signal::TERM);
        assert_eq!(serving.ended(), Some(0));
    }

    /// Returns the body at a path; none unless the status is 200.
    fn get(&self, path: &str) -> Option<Value> {
        let token = self.installation.path("state/admin-token").exists().then(|| self.installation.token());
        let (status, body) =
            send(self.installation.ports[1], "GET", path, token.as_deref().unwrap_or(NOBODY), "")?;
        (status == 200).then_some(body)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.with_input(arguments, "")
    }

    fn with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.installation.slotway(arguments);
        command.envs(self.variables());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A process that refuses its arguments does not read its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn done(&self, arguments: &[&str], input: &str) -> String {
        let output = self.with_input(arguments, input);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// Creates a pool, workers, a user and a token, and returns the token's secret.
    fn settle(&self) -> String {
        fs::write(self.installation.path("site.yaml"), site()).unwrap();
        self.done(&["apply", "-f", "site.yaml"], "");
        self.done(&["user", "create", "ada", "--role", "admin"], "correct horse battery");
        let limits = r#"{ "spec": { "servers_max": 3, "by_usage": { "ocr": 3 } } }"#;
        let (status, body) = send(
            self.installation.ports[1],
            "PUT",
            "/api/v1/server-limits/slotway",
            &self.installation.token(),
            limits,
        )
        .unwrap();
        assert!((200..300).contains(&status), "{body}");
        self.done(&["token", "create", "board", "--scope", "read"], "").trim().to_owned()
    }

    /// Returns everything that users have set, without observed state.
    fn said(&self) -> Value {
        let all = ["pools", "policies", "workers", "users", "tokens"].map(|kind| {
            let path = format!("/api/v1/{kind}");
            without_versions(self.get(&path).unwrap_or_else(|| panic!("no {path}")))
        });
        let limits = without_versions(self.get("/api/v1/server-limits").unwrap());
        Value::Array(all.into_iter().chain([limits]).collect())
    }

    fn may_read(&self, token: &str) -> bool {
        let output = self.with_input(&["get", "workers", "--token-file", "/dev/stdin"], token);
        output.status.success()
    }

    fn sign_in(&self, password: &str) -> Option<u16> {
        let body = serde_json::json!({ "name": "ada", "password": password }).to_string();
        Some(send(self.installation.ports[1], "POST", "/api/v1/session", NOBODY, &body)?.0)
    }
}

/// Removes values that differ between databases: versions, observed state, and the author and time of a change.
fn without_versions(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                !["resourceVersion", "status", "at_ms", "last_used_at", "version"].contains(&name.as_str())
            });
            fields.values_mut().for_each(|field| *field = without_versions(field.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_versions(item.take())),
        _ => {}
    }
    value
}

/// Returns the content of the store: the lines of a backup between the first, which has the time, and the last, which
/// depends on it.
fn database(plane: &Plane) -> Vec<String> {
    let text = plane.done(&["backup", "-"], "");
    let mut lines: Vec<_> = text.lines().skip(1).map(str::to_owned).collect();
    assert!(lines.pop().unwrap().contains("sha256"));
    lines
}

#[test]
fn a_backup_of_a_running_control_plane_restores_a_lost_database() {
    let mut plane = Plane::start(None);
    let secret = plane.settle();
    let before = plane.said();
    let made = plane.done(&["backup", "b"], "");
    assert!(
        made.starts_with("b: 3 workers, 2 pools, 2 policies, 1 user, 1 token, server limits; revision "),
        "{made}"
    );
    let file = fs::read_to_string(plane.installation.path("b")).unwrap();
    assert_eq!(fs::metadata(plane.installation.path("b")).unwrap().permissions().mode() & 0o777, 0o600);
    for hidden in [secret.as_str(), "battery", &plane.installation.token()] {
        assert!(!file.contains(hidden), "{hidden}");
    }
    // A second backup must not overwrite the first.
    let again = plane.run(&["backup", "b"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("b: File exists"), "{}", stderr(&again));
    assert!(stderr(&again).contains("name another one"), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(plane.installation.path("b")).unwrap(), file);
    // A backup through a pipe is the same, except for the time.
    let piped = plane.done(&["backup", "-"], "");
    assert_eq!(piped.lines().nth(1), file.lines().nth(1));

    plane.stop();
    for left in ["slotway.db", "slotway.db-wal", "slotway.db-shm"] {
        let _ = fs::remove_file(plane.installation.path("state").join(left));
    }
    let restored = plane.done(&["restore", "b"], "");
    for line in
        ["pool/ocr created", "worker/http://127.0.0.1:7 created", "user/ada created", "server-limits created"]
    {
        assert!(restored.contains(&format!("{line}\n")), "{restored}");
    }
    assert!(
        restored.trim_end().lines().last().unwrap().contains("slotway.db is as it was at 20"),
        "{restored}"
    );
    plane.serve();
    assert_eq!(plane.said(), before);
    assert!(plane.may_read(&secret));
    assert_eq!(plane.sign_in("correct horse battery"), Some(200));
    // The audit log names the restore as the author.
    let audit = plane.done(&["audit", "--who", "slotway restore", "-o", "json"], "");
    assert!(audit.contains("http://127.0.0.1:7") && !audit.contains("argon2"), "{audit}");
    plane.stop();
    // A second restore has nothing to do and does not need `--replace`. Standard input has the same result.
    let file = fs::read_to_string(plane.installation.path("b")).unwrap();
    let nothing = plane.done(&["restore", "-"], &file);
    assert!(nothing.contains("already\n") && nothing.lines().count() == 1, "{nothing}");
}

#[test]
fn with_replace_a_restore_undoes_changes_since_the_backup() {
    let mut plane = Plane::start(None);
    let secret = plane.settle();
    let before = plane.said();
    plane.done(&["backup", "b"], "");
    let later = "\
kind: Worker\nmetadata: { name: 'http://127.0.0.1:6' }\nspec: { pool: p, capacity: 1 }\n---\n\
kind: Worker\nmetadata: { name: 'http://127.0.0.1:8' }\nspec: { pool: p, capacity: 1 }\n";
    fs::write(plane.installation.path("later.yaml"), later).unwrap();
    plane.done(&["apply", "-f", "later.yaml"], "");
    plane.done(&["uncordon", "http://127.0.0.1:7"], "");
    plane.done(&["user", "passwd", "ada"], "another horse battery");
    plane.done(&["token", "delete", "board"], "");
    let other = plane.done(&["token", "create", "other", "--scope", "read"], "").trim().to_owned();
    let at_work = plane.said();

    // A restore refuses the database of a running control plane, even with `--replace`.
    let locked = plane.run(&["restore", "b", "--replace"]);
    assert_eq!(locked.status.code(), Some(1));
    assert!(stderr(&locked).contains("another slotway is running"), "{}", stderr(&locked));
    let shown = plane.done(&["restore", "b", "--dry-run"], "");
    for line in [
        "worker/http://127.0.0.1:6 draining (dry run)",
        "worker/http://127.0.0.1:7 changed (dry run)",
        "worker/http://127.0.0.1:8 changed (dry run)",
        "user/ada changed (dry run)",
        "token/board created (dry run)",
        "token/other deleted (dry run)",
    ] {
        assert!(shown.contains(&format!("{line}\n")), "{line}: {shown}");
    }
    assert_eq!(shown.lines().count(), 6, "{shown}");
    assert_eq!(plane.said(), at_work, "a dry run changes nothing");

    plane.stop();
    let kept = database(&plane);
    let refused = plane.run(&["restore", "b"]);
    assert_eq!(refused.status.code(), Some(5));
    assert!(
        stderr(&refused)
            .contains("4 workers, 2 pools, 2 policies, 1 user, 1 token, server limits; nothing was changed"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(database(&plane), kept);
    let done = plane.done(&["restore", "b", "--replace"], "");
    assert!(done.contains("worker/http://127.0.0.1:6 draining\n"), "{done}");
    plane.serve();
    // No coordinator is connected that could have requests there: a draining worker is deleted after the grace period,
    // and shown until then.
    let (mut said, mut wanted) = (plane.said(), before);
    let draining: Vec<_> = said[2]["items"]
        .as_array_mut()
        .unwrap()
        .extract_if(.., |worker| worker["metadata"]["name"] == "http://127.0.0.1:6")
        .collect();
    assert_eq!(draining.len(), 1, "{said}");
    // The order of labels, notes and other fields is ignored.
    let sort = |all: &mut Value| {
        let items = all[2]["items"].as_array_mut().unwrap();
        items.sort_by_key(|worker| worker["metadata"]["name"].to_string());
    };
    sort(&mut said);
    sort(&mut wanted);
    assert_eq!(said, wanted);
    let row = |worker: &str| {
        let rows = plane.get("/coordinator/workers").unwrap();
        rows.as_array().unwrap().iter().find(|row| row["worker"] == worker).unwrap()["state"].clone()
    };
    assert_eq!(row("http://127.0.0.1:6"), "draining");
    // The worker had not left its pool when the backup was made.
    assert_ne!(row("http://127.0.0.1:8"), "draining");
    assert!(plane.may_read(&secret) && !plane.may_read(&other));
    assert_eq!(plane.sign_in("correct horse battery"), Some(200));
}

#[test]
fn an_invalid_backup_is_refused_with_its_location_and_changes_nothing() {
    let mut plane = Plane::start(None);
    plane.settle();
    plane.done(&["backup", "good"], "");
    plane.stop();
    let good = fs::read_to_string(plane.installation.path("good")).unwrap();
    let (kept, database_file) = (database(&plane), plane.installation.path("state/slotway.db"));
    let file = |name: &str, text: &str| fs::write(plane.installation.path(name), text).unwrap();
    file("cut", &good[..good.len() / 2]);
    file("changed", &good.replace("rack 7", "rack 8"));
    file("newer", &good.replace("\"slotway_backup\":1", "\"slotway_backup\":9"));
    file("other", "pools: []\n");
    fs::copy(&database_file, plane.installation.path("database")).unwrap();
    file(
        "capacity",
        &ended(good.lines(), |value| {
            if value["key"] == "http://127.0.0.1:8" {
                value["value"]["worker"]["capacity"] = 0.into();
            }
        }),
    );
    file(
        "user",
        &ended(good.lines(), |value| {
            if value["key"] == "ada" {
                value["value"].as_object_mut().unwrap().remove("role");
            }
        }),
    );
    for (arguments, code, says) in [
        (["restore", "cut", "--replace"].as_slice(), 2, "cut: "),
        (&["restore", "changed", "--replace"], 2, "changed: it is not as it was written"),
        (&["restore", "newer", "--replace"], 2, "newer: it has format 9, and this slotway knows 1"),
        (&["restore", "other", "--replace"], 2, "other: it is no backup of slotway's"),
        (&["restore", "database", "--replace"], 2, "database: it is no backup of slotway's"),
        (
            &["restore", "capacity", "--replace"],
            2,
            "capacity: the worker \"http://127.0.0.1:8\" in it cannot be read",
        ),
        (&["restore", "user", "--replace"], 2, "user: the user \"ada\" in it cannot be read"),
        (&["restore", "user", "--dry-run"], 2, "user: the user \"ada\" in it cannot be read"),
        (&["restore", "nowhere"], 1, "nowhere: No such file"),
        (&["restore", "state"], 2, "state: Is a directory"),
        (&["restore"], 2, "BACKUP"),
        (&["restore", "good", "--store", "mysql://x"], 2, "store: "),
        (&["restore", "good", "--state", "f.yaml"], 1, "f.yaml"),
        (&["backup"], 2, "BACKUP"),
        (&["backup", "no/such/directory"], 1, "no/such/directory: No such file"),
        (&["backup", "elsewhere", "--state", "nowhere"], 2, "there is no database"),
    ] {
        let output = plane.run(arguments);
        let told = told(arguments, &output);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(stderr(&output).contains(says), "{says}: {told}");
        assert_eq!(stdout(&output), "", "{told}");
    }
    assert_eq!(database(&plane), kept);
    assert!(!plane.installation.path("elsewhere").exists() && !plane.installation.path("nowhere").exists());
    // A damaged database yields no backup.
    let whole = fs::read(&database_file).unwrap();
    fs::write(&database_file, &whole[..whole.len() / 2]).unwrap();
    let broken = plane.run(&["backup", "b"]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(stderr(&broken).contains("the database is damaged"), "{}", stderr(&broken));
    assert!(!plane.installation.path("b").exists());
}

/// Changes the lines of a backup and recomputes its last line.
fn ended<'a>(lines: impl Iterator<Item = &'a str>, change: impl Fn(&mut Value)) -> String {
    use sha2::{Digest, Sha256};
    let mut values: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(values.pop().unwrap().get("sha256").is_some());
    values.iter_mut().for_each(change);
    let text: String = values.iter().map(|value| format!("{value}\n")).collect();
    let sha256 = format!("{:x}", Sha256::digest(&text));
    format!("{text}{}\n", serde_json::json!({ "documents": values.len() - 1, "sha256": sha256 }))
}

#[test]
fn a_restore_moves_everything_to_another_kind_of_database() {
    let mut small = Plane::start(None);
    let secret = small.settle();
    let before = small.said();
    small.done(&["backup", "b"], "");
    small.stop();
    let postgres = Postgres::start();
    let mut large = Plane { store: Some(postgres.url()), ..small };
    let nothing_yet = large.run(&["backup", "c"]);
    assert_eq!(nothing_yet.status.code(), Some(2), "{}", stderr(&nothing_yet));
    assert!(large.done(&["restore", "b", "--dry-run"], "").contains("token/board created (dry run)"));
    assert_eq!(large.run(&["backup", "c"]).status.code(), Some(2), "a dry run makes no tables");
    large.done(&["restore", "b"], "");
    large.serve();
    assert_eq!(large.said(), before);
    assert!(large.may_read(&secret));
    large.done(&["backup", "c"], "");
    large.stop();
    // The way back, into a directory that does not exist yet.
    let mut small = Plane { store: None, ..large };
    fs::rename(small.installation.path("state"), small.installation.path("old")).unwrap();
    small.done(&["restore", "c"], "");
    fs::copy(small.installation.path("old/admin-token"), small.installation.path("state/admin-token"))
        .unwrap();
    small.serve();
    assert_eq!(small.said(), before);
    assert!(small.may_read(&secret));
}

#[test]
fn running_control_planes_follow_a_restore_into_their_database() {
    let postgres = Postgres::start();
    let one = Plane::start(Some(postgres.url()));
    one.settle();
    // The second control plane has the same file except for its ports.
    let mut other = Plane::stopped(Some(postgres.url()));
    let file = fs::read_to_string(other.installation.path("f.yaml")).unwrap();
    let worker = |plane: &Plane| format!("http://127.0.0.1:{}'", plane.installation.ports[4]);
    fs::write(other.installation.path("f.yaml"), file.replace(&worker(&other), &worker(&one))).unwrap();
    other.serve();
    one.done(&["backup", "b"], "");
    let before = one.said();
    let later = "kind: Worker\nmetadata: { name: 'http://127.0.0.1:8' }\nspec: { pool: p, capacity: 1 }\n---\n\
                 kind: Worker\nmetadata: { name: 'http://127.0.0.1:6' }\nspec: { pool: p, capacity: 1 }\n";
    fs::write(one.installation.path("later.yaml"), later).unwrap();
    one.done(&["apply", "-f", "later.yaml"], "");
    one.done(&["user", "passwd", "ada"], "another horse battery");
    one.done(&["token", "create", "other", "--scope", "read"], "");
    assert_eq!(one.sign_in("another horse battery"), Some(200));

    let done = one.done(&["restore", "b", "--replace", "--state", "nobody-else-has-it"], "");
    assert!(done.contains("worker/http://127.0.0.1:6 draining\n"), "{done}");
    assert!(done.lines().last().unwrap().starts_with("postgres://"), "{done}");
    for plane in [&one, &other] {
        let state = |worker: &str| {
            let rows = plane.get("/coordinator/workers")?;
            Some(rows.as_array()?.iter().find(|row| row["worker"] == worker)?["state"].clone())
        };
        wait_for("what drains", || state("http://127.0.0.1:6").filter(|state| state == "draining"));
        wait_for("the end of the move", || state("http://127.0.0.1:8").filter(|state| state != "draining"));
        wait_for("people", || {
            let [now, then] = [plane.said(), before.clone()].map(|mut said| [said[3].take(), said[4].take()]);
            (now == then).then_some(())
        });
        wait_for("the old password", || {
            plane.sign_in("correct horse battery").filter(|status| *status == 200)
        });
    }
}
