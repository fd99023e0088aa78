use slotway_store::StoreError;
use slotway_test_postgres::Postgres;

use crate::fixture::{Fixture, batch, commit, everything, next, put, until, workers};

#[tokio::test]
async fn without_its_database_the_store_fails_clearly_and_recovers() {
    let mut fixture = Fixture::postgres();
    let store = fixture.open().await;
    commit(&*store, vec![put("a", "1")]).await;
    let mut watch = store.watch(0);
    next(&mut watch).await;
    let mut trouble = store.trouble();
    assert!(trouble.borrow_and_update().is_none());

    fixture.server().stop();
    // Without any request, the store still detects that the database is gone.
    trouble.wait_for(Option::is_some).await.unwrap();
    let refused = store.commit(batch(vec![put("a", "2")])).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused}");
    let place = fixture.server().url_without_password();
    assert_eq!(refused.to_string().split(": the database cannot be used: ").next(), Some(place.as_str()));
    assert!(refused.to_string().contains("Connection refused"), "{refused}");
    assert!(matches!(watch.next().await, Err(StoreError::Unavailable { .. })));

    fixture.server().start_again();
    trouble.wait_for(Option::is_none).await.unwrap();
    assert_eq!(workers(&*store).await, [("a".to_owned(), "1".to_owned())]);
    let revision = commit(&*store, vec![put("a", "3")]).await;
    let seen = until("the change", async || watch.next().await.ok()).await;
    assert_eq!(seen.revision, revision, "every accepted change is seen, and no refused one was made");
    // Notifications arrive again too: a watcher of another store depends on them.
    let other = fixture.open().await;
    let revision = commit(&*other, vec![put("a", "4")]).await;
    assert_eq!(next(&mut watch).await.revision, revision);
}

#[tokio::test]
async fn an_unresponsive_database_fails_a_change_within_a_time_limit() {
    let fixture = Fixture::postgres();
    let store = fixture.open().await;
    commit(&*store, vec![put("a", "1")]).await;
    let server = fixture.postgres.as_ref().unwrap();
    server.freeze();
    let refused = store.commit(batch(vec![put("a", "2")])).await.unwrap_err();
    assert!(refused.to_string().contains("no answer within"), "{refused}");
    assert!(store.trouble().borrow().is_some());
    server.thaw();
    store.trouble().wait_for(Option::is_none).await.unwrap();
    commit(&*store, vec![put("b", "3")]).await;
}

#[tokio::test]
async fn a_control_plane_that_dies_during_a_commit_does_not_block_others() {
    let fixture = Fixture::postgres();
    let store = fixture.open().await;
    commit(&*store, vec![put("a", "1")]).await;
    let server = fixture.postgres.as_ref().unwrap();
    // Half-way through a commit, like a control plane that lost its connection.
    let url = server.url();
    let mut other = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN; UPDATE slotway.store SET revision = revision + 1; DELETE FROM slotway.documents")
        .execute(&mut other)
        .await
        .unwrap();
    let refused = store.commit(batch(vec![put("b", "2")])).await.unwrap_err();
    assert!(refused.to_string().contains("lock timeout"), "{refused}");
    drop(other);
    until("a commit", async || store.commit(batch(vec![put("b", "2")])).await.ok()).await;
    assert_eq!(workers(&*store).await.len(), 2, "the interrupted commit is rolled back");
}

#[tokio::test]
async fn a_full_disk_refuses_whole_changes_until_there_is_room() {
    let fixture = Fixture::with(Postgres::start_on_small_disk(80_000_000));
    let store = fixture.open().await;
    commit(&*store, vec![put("a", "1")]).await;
    let server = fixture.postgres.as_ref().unwrap();
    server.disk().fill(server.pid());
    let many = |value: &str| (0..2_000).map(|number| put(&format!("w{number}"), value)).collect::<Vec<_>>();
    let mut trouble = store.trouble();
    trouble.borrow_and_update();
    let refused = store.commit(batch(many("1"))).await.unwrap_err();
    // The failure may already be over: a small write may find room where a large one does not.
    assert!(trouble.has_changed().unwrap());
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    assert!(refused.to_string().contains("No space left on device"), "{refused}");
    assert_eq!(workers(&*store).await, [("a".to_owned(), "1".to_owned())], "no change is partly written");
    assert_eq!(store.audit(&everything()).await.unwrap().len(), 1);

    server.disk().make_room(server.pid());
    store.trouble().wait_for(Option::is_none).await.unwrap();
    commit(&*store, many("2")).await;
    assert_eq!(workers(&*store).await.len(), 2_001);
}
