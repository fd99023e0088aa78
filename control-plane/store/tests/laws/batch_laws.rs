use std::sync::Arc;

use slotway_store::{Expected, Kind, StoreError, Who, Write};

use crate::fixture::{Fixture, SETTINGS, WORKER, batch, commit, delete, everything, put, workers};

pub(crate) async fn documents_are_listed_by_kind_and_by_the_bytes_of_their_keys(fixture: &Fixture) {
    let store = fixture.open().await;
    let keys = ["z", "é", "B", "a b", "日本語", "a", "😀", "b", "a/ü?ß", "Z", "ä", "a'\"\\%_"];
    let writes = keys.iter().map(|key| put(key, &format!("{key:?}"))).collect();
    let revision = commit(&*store, writes).await;
    let fact = Write::put(Kind::FACT, "a", "1", Expected::Anything);
    let last = commit(&*store, vec![fact]).await;

    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    let expected: Vec<_> = sorted.iter().map(|key| ((*key).to_owned(), format!("{key:?}"))).collect();
    assert_eq!(workers(&*store).await, expected);
    let all = store.list(&[WORKER, Kind::FACT]).await.unwrap();
    assert_eq!((all.revision, all.documents.len(), all.documents[0].kind), (last, 13, Kind::FACT));
    assert!(all.documents[1..].iter().all(|document| document.revision == revision));
    for key in keys {
        let document = store.get(WORKER, key).await.unwrap().unwrap();
        assert_eq!((document.key.as_str(), document.revision), (key, revision));
    }
    assert_eq!(store.get(WORKER, "A").await.unwrap(), None);
    assert_eq!(store.get(Kind::FACT, "z").await.unwrap(), None);
    let empty = store.list(&[SETTINGS]).await.unwrap();
    assert_eq!((empty.revision, empty.documents), (last, vec![]));
}

pub(crate) async fn of_many_writers_with_the_same_precondition_exactly_one_wins(fixture: &Fixture) {
    let store = fixture.open().await;
    let mut seen = 0;
    for round in 0..10 {
        let attempts: Vec<_> = (0..8)
            .map(|writer| {
                let store = Arc::clone(&store);
                let value = format!("[{round},{writer}]");
                tokio::spawn(async move {
                    store
                        .put(Who::SYSTEM, WORKER, "a", &value, Expected::seen(seen))
                        .await
                        .map(|r| (r, value))
                })
            })
            .collect();
        let mut won = Vec::new();
        for attempt in attempts {
            match attempt.await.unwrap() {
                Ok(winner) => won.push(winner),
                Err(StoreError::Conflict { kind: "worker", found: Some(found), .. }) => assert!(found > seen),
                Err(error) => panic!("{error}"),
            }
        }
        let [(revision, value)] = &won[..] else { panic!("{won:?}") };
        let document = store.get(WORKER, "a").await.unwrap().unwrap();
        assert_eq!((document.revision, &document.value), (*revision, value));
        seen = *revision;
    }
    let stale = store.delete(Who::SYSTEM, WORKER, "a", Expected::Revision(seen - 1)).await;
    assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
    store.delete(Who::SYSTEM, WORKER, "a", Expected::Revision(seen)).await.unwrap();
    assert_eq!(store.get(WORKER, "a").await.unwrap(), None);
}

pub(crate) async fn concurrent_increments_lose_no_count(fixture: &Fixture) {
    let store = fixture.open().await;
    let counters = (0..4).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..10 {
                loop {
                    let seen = store.get(Kind::FACT, "count").await.unwrap();
                    let count: u64 = seen.as_ref().map_or(0, |document| document.value.parse().unwrap());
                    let expected = Expected::seen(seen.map_or(0, |document| document.revision));
                    let value = (count + 1).to_string();
                    match store.put(Who::SYSTEM, Kind::FACT, "count", &value, expected).await {
                        Ok(_) => break,
                        Err(StoreError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        })
    });
    for counter in counters.collect::<Vec<_>>() {
        counter.await.unwrap();
    }
    assert_eq!(store.get(Kind::FACT, "count").await.unwrap().unwrap().value, "40");
}

pub(crate) async fn a_batch_is_committed_as_a_whole_or_not_at_all(fixture: &Fixture) {
    let store = fixture.open().await;
    let before = commit(&*store, vec![put("a", "1"), put("b", "2")]).await;
    for wrong in [
        Write::put(WORKER, "b", "3", Expected::Absent),
        Write::put(WORKER, "b", "3", Expected::Revision(before + 1)),
        Write::delete(WORKER, "c", Expected::Revision(before)),
    ] {
        let writes = vec![put("a", "4"), put("d", "5"), wrong];
        let refused = store.commit(batch(writes)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
        let (one, two) = (("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned()));
        assert_eq!(workers(&*store).await, [one, two]);
        assert_eq!(store.changes(before).await.unwrap(), []);
        assert_eq!(store.audit(&everything()).await.unwrap().len(), 2);
    }
    let after = commit(&*store, vec![put("a", "6"), delete("b"), put("e", "7")]).await;
    assert_eq!(after, before + 1, "a refused batch takes no revision");
    let (one, two) = (("a".to_owned(), "6".to_owned()), ("e".to_owned(), "7".to_owned()));
    assert_eq!(workers(&*store).await, [one, two]);
}

pub(crate) async fn a_document_that_is_created_again_has_a_new_revision(fixture: &Fixture) {
    let store = fixture.open().await;
    let first = commit(&*store, vec![put("a", "1")]).await;
    let deleted = commit(&*store, vec![delete("a")]).await;
    assert_eq!(
        commit(&*store, vec![delete("a")]).await,
        deleted,
        "deleting an absent document takes no revision"
    );
    let again = store.put(Who::SYSTEM, WORKER, "a", "1", Expected::Absent).await.unwrap();
    assert!(first < deleted && deleted < again);
    let stale = store.put(Who::SYSTEM, WORKER, "a", "2", Expected::Revision(first)).await;
    assert!(matches!(stale, Err(StoreError::Conflict { found, .. }) if found == Some(again)), "{stale:?}");
}

pub(crate) async fn a_restart_keeps_documents_revisions_changes_and_audit_rows(fixture: &Fixture) {
    let (last, listing, changes, audit) = {
        let store = fixture.open().await;
        commit(&*store, vec![put("a", "1"), put("ü", r#"{"b":"\u0000"}"#)]).await;
        let last = commit(&*store, vec![put("c", "3"), delete("a")]).await;
        let listing = store.list(&[WORKER]).await.unwrap();
        (last, listing, store.changes(0).await.unwrap(), store.audit(&everything()).await.unwrap())
    };
    assert_eq!((listing.documents.len(), changes.len(), audit.len()), (2, 2, 4));
    let store = fixture.open().await;
    assert_eq!(store.list(&[WORKER]).await.unwrap(), listing);
    assert_eq!(store.changes(0).await.unwrap(), changes);
    assert_eq!(store.audit(&everything()).await.unwrap(), audit);
    assert_eq!(commit(&*store, vec![put("d", "4")]).await, last + 1);
}
