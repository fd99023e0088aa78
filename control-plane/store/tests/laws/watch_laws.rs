use std::sync::Arc;

use slotway_store::{Change, Commit, Store, StoreError};

use crate::fixture::{Fixture, WORKER, commit, delete, next, put};

fn change(key: &str, value: Option<&str>) -> Change {
    Change { kind: WORKER, key: key.to_owned(), value: value.map(str::to_owned) }
}

/// Commits one number after another, more than one read returns.
async fn count(store: Arc<dyn Store>, numbers: std::ops::Range<u32>) {
    for number in numbers {
        commit(&*store, vec![put("a", &number.to_string()), put(&format!("b{number}"), "0")]).await;
    }
}

fn number_of(commit: &Commit) -> u32 {
    assert_eq!(commit.changes.len(), 2, "a commit has all its changes");
    commit.changes[0].value.as_ref().unwrap().parse().unwrap()
}

pub(crate) async fn a_watcher_sees_every_commit_once_and_in_order(fixture: &Fixture) {
    let store = fixture.open().await;
    let revision = commit(&*store, vec![put("a", "1"), put("b", "2")]).await;
    let mut watch = store.watch(0);
    let changes = vec![change("a", Some("1")), change("b", Some("2"))];
    assert_eq!(next(&mut watch).await, Commit { revision, changes });
    let revision = commit(&*store, vec![delete("a")]).await;
    assert_eq!(next(&mut watch).await, Commit { revision, changes: vec![change("a", None)] });

    let writing = tokio::spawn(count(Arc::clone(&store), 0..150));
    let mut late = store.watch(revision);
    for expected in 0..150 {
        assert_eq!(number_of(&next(&mut watch).await), expected);
    }
    writing.await.unwrap();
    for expected in 0..150 {
        assert_eq!(number_of(&next(&mut late).await), expected, "a watcher that reads late");
    }
}

pub(crate) async fn a_watcher_whose_future_is_dropped_repeatedly_misses_nothing(fixture: &Fixture) {
    let store = fixture.open().await;
    let mut watch = store.watch(0);
    for expected in 0..20 {
        count(Arc::clone(&store), expected..expected + 1).await;
        let mut seen = None;
        for _ in 0..3 {
            tokio::select! {
                biased;
                commit = watch.next(), if seen.is_none() => seen = Some(commit.unwrap()),
                // The future has been polled once, and is dropped at an arbitrary point.
                () = tokio::task::yield_now() => {}
            }
        }
        let seen = match seen {
            Some(seen) => seen,
            None => next(&mut watch).await,
        };
        assert_eq!(number_of(&seen), expected);
    }
}

pub(crate) async fn a_watcher_resumes_from_its_revision(fixture: &Fixture) {
    let mut seen = 0;
    {
        let store = fixture.open().await;
        count(Arc::clone(&store), 0..10).await;
        for part in [0..3_u32, 3..7] {
            // The watch is dropped with commits that it has read but not returned.
            let mut watch = store.watch(seen);
            for expected in part {
                let commit = next(&mut watch).await;
                assert_eq!(number_of(&commit), expected);
                seen = commit.revision;
            }
        }
    }
    let store = fixture.open().await;
    let mut watch = store.watch(seen);
    count(Arc::clone(&store), 10..12).await;
    for expected in 7..12 {
        assert_eq!(number_of(&next(&mut watch).await), expected, "after a restart");
    }
}

pub(crate) async fn a_watcher_with_a_revision_beyond_the_stores_gets_an_error(fixture: &Fixture) {
    let store = fixture.open().await;
    let revision = commit(&*store, vec![put("a", "1")]).await;
    // Like after a restore of the database from an older backup.
    let answer = store.watch(revision + 1).next().await;
    assert_eq!(answer, Err(StoreError::Forgotten { after: revision + 1 }));
}
