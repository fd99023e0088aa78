use std::fs;

use crate::house::{House, start};

const W1: &str = "http://127.0.0.1:9001";
const W2: &str = "http://127.0.0.1:9002";

fn pair(worker: &str, capacity: u64) -> (String, u64) {
    (worker.to_owned(), capacity)
}

#[tokio::test]
async fn a_restart_keeps_what_rest_changed() {
    let house = House::new().await;
    house
        .post(&format!(r#"[{{"worker": "http://new", "capacity": 2}}, {{"worker": "{W1}", "capacity": 5}}]"#))
        .await;
    let generation = house.control_plane.workers.desired().borrow().generation;
    let house = house.restarted().await;
    assert_eq!(house.workers().await, [pair(W1, 5), pair(W2, 4), pair("http://new", 2)]);
    assert_eq!(
        house.control_plane.workers.desired().borrow().generation,
        generation,
        "nothing is new to Envoy"
    );
}

#[tokio::test]
async fn a_second_control_plane_on_one_state_directory_is_refused() {
    let house = House::new().await;
    let error = start(&house.directory).await.err().unwrap();
    assert!(error.to_string().contains("another slotway is running with this state directory"), "{error}");
}

/// Starts with this as the database, and returns the error, having made sure that the file was left as it was.
async fn refused(database: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("state")).unwrap();
    let file = directory.path().join("state/slotway.db");
    fs::write(&file, database).unwrap();
    let error = start(&directory).await.err().expect("it started").to_string();
    assert!(fs::read(&file).unwrap() == database, "the file was changed");
    assert!(!error.contains('\n') && error.contains("slotway.db"), "{error}");
    error
}

/// A database with workers, whole in one file: what a control plane wrote last may still stand in the log beside it.
async fn database() -> Vec<u8> {
    use sqlx::{ConnectOptions, Connection};

    let house = House::new().await;
    let file = house.directory.path().join("state/slotway.db");
    let copy = house.directory.path().join("copy.db");
    let mut other = sqlx::sqlite::SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::query("VACUUM INTO ?").bind(copy.to_str().unwrap()).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    fs::read(copy).unwrap()
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_left_alone() {
    let error = refused(b"this is no database, whatever its name says: it is a letter to its reader").await;
    assert!(error.contains("the database is damaged"), "{error}");
    let whole = database().await;
    let mut torn = whole.clone();
    torn[100..2_000].fill(0xa5);
    let error = refused(&torn).await;
    assert!(error.contains("the database is damaged"), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_slotway_is_refused_and_left_alone() {
    let mut newer = database().await;
    // https://www.sqlite.org/fileformat.html: the user version stands at offset 60, big-endian.
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    let error = refused(&newer).await;
    assert!(error.contains("has schema 99, and this slotway knows 1 at most"), "{error}");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let mut other = database().await;
    other[60..64].copy_from_slice(&0_u32.to_be_bytes());
    let error = refused(&other).await;
    assert!(error.contains("it is a database of another program"), "{error}");
}

#[tokio::test]
async fn while_the_database_cannot_be_written_changes_get_503_and_all_else_goes_on() {
    use sqlx::{ConnectOptions, Connection};

    let house = House::new().await;
    let before = house.workers().await;
    let file = house.directory.path().join("state/slotway.db");
    let mut other = sqlx::sqlite::SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let list = r#"[{"worker": "http://new", "capacity": 2}]"#;
    let mut change = std::pin::pin!(house.post(list));
    tokio::select! {
        biased;
        answer = &mut change => panic!("a read waited for the change, which got {}", answer.status),
        meanwhile = house.workers() => assert_eq!(meanwhile, before),
    }
    let answer = change.await;
    assert_eq!((answer.status.as_u16(), answer.problem()), (503, "store"));
    assert_eq!(house.workers().await, before);
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert_eq!(house.post(list).await.capacities().len(), 3);
}
