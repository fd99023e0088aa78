use std::{fs::File, os::unix::fs::PermissionsExt, path::Path};

use slotway_store::{Kind, SqliteStore, Store, StoreError};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::fixture::{Fixture, KINDS, SETTINGS, WORKER, commit, put, until, workers};

async fn raw(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).create_if_missing(true).connect().await.unwrap()
}

#[tokio::test]
async fn a_new_state_directory_is_private_and_an_existing_one_is_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (made, there) = (directory.path().join("a/state"), directory.path().join("there"));
    std::fs::create_dir(&there).unwrap();
    std::fs::set_permissions(&there, std::fs::Permissions::from_mode(0o750)).unwrap();
    for (state, wanted) in [(&made, 0o700), (&there, 0o750)] {
        SqliteStore::open(state, &KINDS).await.unwrap();
        assert_eq!(mode(state), wanted, "{}", state.display());
    }
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_migrated_to_the_newest() {
    let fixture = Fixture::sqlite();
    let state = fixture.directory.path().join("state-0");
    std::fs::create_dir(&state).unwrap();
    let mut connection = raw(&state.join("slotway.db")).await;
    sqlx::raw_sql(
        "CREATE TABLE documents (kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, value TEXT NOT NULL,
            PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;
         INSERT INTO documents VALUES ('worker', 'a', 7, '1'), ('fact', 'generation', 9, '5'), ('fact', 'settings', 2, '[]');
         PRAGMA user_version = 1",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();

    let store = fixture.open().await;
    let all = store.list(&KINDS).await.unwrap();
    let documents = all.documents.iter().map(|d| (d.kind, d.key.as_str(), d.revision, d.value.as_str()));
    let expected = [(Kind::FACT, "generation", 1, "5"), (SETTINGS, "file", 1, "[]"), (WORKER, "a", 1, "1")];
    assert_eq!((all.revision, documents.collect::<Vec<_>>()), (1, expected.to_vec()));
    assert_eq!(
        store.changes(0).await,
        Err(StoreError::Forgotten { after: 0 }),
        "rows from before the audit exist without an author"
    );
    assert_eq!(store.changes(1).await.unwrap(), []);
    assert_eq!(commit(&*store, vec![put("b", "2")]).await, 2);
}

#[tokio::test]
async fn a_truncated_database_is_refused_even_if_only_unused_bytes_are_missing() {
    let fixture = Fixture::sqlite();
    let file = fixture.directory.path().join("state-0/slotway.db");
    drop(fixture.open().await);
    // SQLite removes the log when the last connection is closed, asynchronously.
    let log = file.with_extension("db-wal");
    until("the log is removed", async || (!log.exists()).then_some(())).await;
    let database = File::options().write(true).open(&file).unwrap();
    let length = database.metadata().unwrap().len();
    database.set_len(length - 1).unwrap();
    let refused = fixture.try_open().await.err();
    assert!(matches!(refused, Some(StoreError::Damaged { .. })), "{refused:?}");
    assert_eq!(database.metadata().unwrap().len(), length - 1, "the refused file must not change");
}

#[tokio::test]
async fn while_another_process_locks_the_database_changes_fail_and_then_recover() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path(), &KINDS).await.unwrap();
    let mut other = raw(&directory.path().join("slotway.db")).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let refused = store.commit(crate::fixture::batch(vec![put("a", "1")])).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
    let mut trouble = store.trouble();
    assert_eq!(trouble.borrow().as_ref().unwrap().reason, refused.to_string());
    assert_eq!(workers(&store).await, [], "reads continue");
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    // Without any request, the store detects by itself that the database accepts changes again.
    trouble.wait_for(Option::is_none).await.unwrap();
    commit(&store, vec![put("a", "1")]).await;
}
