use std::fs;

use crate::fixture::{Fixture, start};

const W1: &str = "http://127.0.0.1:9001";
const W2: &str = "http://127.0.0.1:9002";

fn pair(worker: &str, capacity: u64) -> (String, u64) {
    (worker.to_owned(), capacity)
}

#[tokio::test]
async fn a_restart_keeps_changes_over_rest() {
    let fixture = Fixture::new().await;
    fixture
        .post(&format!(r#"[{{"worker": "http://new", "capacity": 2}}, {{"worker": "{W1}", "capacity": 5}}]"#))
        .await;
    let generation = fixture.control_plane.workers.desired().borrow().generation;
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.workers().await, [pair(W1, 5), pair(W2, 4), pair("http://new", 2)]);
    assert_eq!(
        fixture.control_plane.workers.desired().borrow().generation,
        generation,
        "nothing changes for Envoy"
    );
}

#[tokio::test]
async fn a_second_control_plane_on_one_state_directory_is_refused() {
    let fixture = Fixture::new().await;
    let error = start(&fixture.directory).await.err().unwrap();
    assert!(error.to_string().contains("another slotway is running with this state directory"), "{error}");
}

/// Starts with this database, asserts that the file is not changed, and returns the error.
async fn refused(database: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("state")).unwrap();
    let file = directory.path().join("state/slotway.db");
    fs::write(&file, database).unwrap();
    let error = start(&directory).await.err().expect("it started").to_string();
    assert!(fs::read(&file).unwrap() == database, "the file was changed");
    let beside: Vec<_> = fs::read_dir(directory.path().join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(beside.len(), 2, "beside the database and the lock: {beside:?}");
    assert!(!error.contains('\n') && error.contains("slotway.db"), "{error}");
    error
}

/// Returns a database with workers, complete in one file: the last commits may otherwise be only in the log.
async fn database() -> Vec<u8> {
    use sqlx::{ConnectOptions, Connection};

    let fixture = Fixture::new().await;
    let file = fixture.directory.path().join("state/slotway.db");
    let copy = fixture.directory.path().join("copy.db");
    let mut other = sqlx::sqlite::SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::query("VACUUM INTO ?").bind(copy.to_str().unwrap()).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    fs::read(copy).unwrap()
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_not_changed() {
    let error = refused(b"this is no database, whatever its name says: it is a letter to its reader").await;
    assert!(error.contains("the database is damaged"), "{error}");
    let whole = database().await;
    let page = 4_096;
    for (damage, range) in [("header", 0..100), ("schema", 100..2_000), ("second page", page..2 * page)] {
        let mut torn = whole.clone();
        torn[range].fill(0xa5);
        let error = refused(&torn).await;
        assert!(error.contains("the database is damaged"), "{damage}: {error}");
    }
    for length in [0, 100, page, whole.len() - 1] {
        let error = refused(&whole[..length]).await;
        assert!(error.contains("the database is damaged"), "cut to {length}: {error}");
    }
}

/// Writes the files of a database that was not closed, like after a power failure.
fn abandoned(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir(to).unwrap();
    for file in ["slotway.db", "slotway.db-wal"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[tokio::test]
async fn an_empty_or_missing_database_with_a_log_is_refused_and_the_log_is_not_changed() {
    let fixture = Fixture::new().await;
    fixture.post(r#"[{"worker": "http://new", "capacity": 2}]"#).await;
    for gone in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        abandoned(&fixture.directory.path().join("state"), &state);
        let (database, log) = (state.join("slotway.db"), state.join("slotway.db-wal"));
        let changes = fs::read(&log).unwrap();
        if gone {
            fs::remove_file(&database).unwrap()
        } else {
            fs::write(&database, "").unwrap()
        }
        let error = start(&directory).await.err().expect("it started").to_string();
        assert!(error.contains("the database is damaged") && error.contains("slotway.db"), "{error}");
        assert!(fs::read(&log).unwrap() == changes, "the log was changed");
        assert_eq!(database.exists(), !gone, "the database was changed");
        assert!(gone || fs::read(&database).unwrap().is_empty(), "the database was changed");
    }
}

#[tokio::test]
async fn the_last_commit_survives_a_power_failure() {
    let fixture = Fixture::new().await;
    fixture.post(r#"[{"worker": "http://new", "capacity": 2}]"#).await;
    let directory = tempfile::tempdir().unwrap();
    abandoned(&fixture.directory.path().join("state"), &directory.path().join("state"));
    let control_plane = start(&directory).await.unwrap();
    let workers = Fixture::of(directory, control_plane).workers().await;
    assert!(workers.contains(&pair("http://new", 2)), "{workers:?}");
}

#[tokio::test]
async fn a_database_of_a_newer_slotway_is_refused_and_not_changed() {
    let mut newer = database().await;
    // https://www.sqlite.org/fileformat.html: the user version stands at offset 60, big-endian.
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    let error = refused(&newer).await;
    assert!(error.contains("has schema 99, and this slotway knows 2 at most"), "{error}");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_not_changed() {
    let mut other = database().await;
    other[60..64].copy_from_slice(&0_u32.to_be_bytes());
    let error = refused(&other).await;
    assert!(error.contains("it is a database of another program"), "{error}");
}

#[tokio::test]
async fn while_the_database_cannot_be_written_changes_get_503_and_reads_continue() {
    use sqlx::{ConnectOptions, Connection};

    let fixture = Fixture::new().await;
    let before = fixture.workers().await;
    let file = fixture.directory.path().join("state/slotway.db");
    let mut other = sqlx::sqlite::SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let list = r#"[{"worker": "http://new", "capacity": 2}]"#;
    let mut change = std::pin::pin!(fixture.post(list));
    tokio::select! {
        biased;
        answer = &mut change => panic!("a read waited for the change, which got {}", answer.status),
        meanwhile = fixture.workers() => assert_eq!(meanwhile, before),
    }
    let answer = change.await;
    assert_eq!((answer.status.as_u16(), answer.problem()), (503, "store"));
    assert_eq!(fixture.workers().await, before);
    let ready = fixture.get("/readyz").await;
    assert_eq!(ready.status.as_u16(), 503);
    assert!(ready.body.as_str().unwrap().contains("store: refuses changes for 0 s: "), "{}", ready.body);
    assert_eq!(fixture.get("/readyz/store").await.status.as_u16(), 503);
    assert_eq!(fixture.get("/readyz/xds").await.status.as_u16(), 200, "an Envoy may still connect");
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert_eq!(fixture.post(list).await.capacities().len(), 3);
    assert_eq!(fixture.get("/readyz").await.status.as_u16(), 200);
}
