use std::sync::Arc;

use slotway_store::{Change, Commit, Store, StoreError};

use crate::fixture::{Fixture, WORKER, commit, delete, next, put};

fn change(key: &str, value: Option<&str>) -> Change {
    Change { kind: WORKER, key: key.to_owned(), value: value.map(str::to_owned) }
}

/// Commits number after number, more than are read at once.
async fn count(store: Arc<dyn Store>, numbers: std::ops::Range<u32>) {
    for number in numbers {
        commit(&*store, vec![put("a", &number.to_string()), put(&format!("b{number}"), "0")]).await;
    }
}

fn number_of(commit: &Commit) -> u32 {
    assert_eq!(commit.changes.len(), 2, "a commit is whole");
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
        assert_eq!(number_of(&next(&mut late).await), expected, "one that reads late");
    }
}

pub(crate) async fn a_watcher_whose_reading_is_given_up_again_and_again_misses_nothing(fixture: &Fixture) {
    let store = fixture.open().await;
    let mut watch = store.watch(0);
    for expected in 0..20 {
        count(Arc::clone(&store), expected..expected + 1).await;
        let mut seen = None;
        for _ in 0..3 {
            tokio::select! {
                biased;
                commit = watch.next(), if seen.is_none() => seen = Some(commit.unwrap()),
                // It has been polled, and is dropped in the midst of whatever it was about to do.
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

pub(crate) async fn a_watcher_resumes_where_it_was(fixture: &Fixture) {
    let mut seen = 0;
    {
        let store = fixture.open().await;
        count(Arc::clone(&store), 0..10).await;
        for part in [0..3_u32, 3..7] {
            // Dropped with commits that it has read but not given out.
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
        assert_eq!(number_of(&next(&mut watch).await), expected, "over a restart");
    }
}

pub(crate) async fn a_watcher_that_comes_from_the_future_is_told_to_read_anew(fixture: &Fixture) {
    let store = fixture.open().await;
    let revision = commit(&*store, vec![put("a", "1")]).await;
    // As after a database was put back from a copy.
    let answer = store.watch(revision + 1).next().await;
    assert_eq!(answer, Err(StoreError::Forgotten { after: revision + 1 }));
}
