use slotway_store::{AUDIT_ROWS_MAX, AuditQuery, CHANGES_MAX, KEY_BYTES_MAX, StoreError, VALUE_BYTES_MAX};

use crate::fixture::{Fixture, WORKER, batch, commit, everything, put, workers};

pub(crate) async fn an_invalid_write_is_refused_and_changes_nothing(fixture: &Fixture) {
    let store = fixture.open().await;
    let right = put("right", "1");
    for (wrong, says) in [
        (put("", "1"), "a key has from 1 to 2048 bytes, and this one has 0"),
        (put(&"ü".repeat(KEY_BYTES_MAX / 2 + 1), "1"), "and this one has 2050"),
        (put("a\0b", "1"), "cannot store the character NUL"),
        (put("a", "\0"), "cannot store the character NUL"),
        (put("a", &"1".repeat(VALUE_BYTES_MAX + 1)), "at most 1048576 bytes, and this one has 1048577"),
        (put("right", "2"), "the batch contains it twice"),
    ] {
        let refused = store.commit(batch(vec![right.clone(), wrong])).await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
        assert!(refused.to_string().contains(says) && refused.to_string().len() < 400, "{refused}");
        assert_eq!(workers(&*store).await, []);
    }
    assert_eq!(store.audit(&everything()).await.unwrap(), []);
    assert!(store.trouble().borrow().is_none(), "an invalid request is not a failure of the database");
}

pub(crate) async fn keys_and_documents_of_the_largest_size_are_kept(fixture: &Fixture) {
    let store = fixture.open().await;
    // Random bytes, because PostgreSQL compresses indexed values.
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_u32(0x1_0000 + (state >> 12) % 0xffff).unwrap()
    };
    let key: String = (0..KEY_BYTES_MAX / 4).map(|_| letter()).collect();
    let value = format!("\"{}\"", (0..(VALUE_BYTES_MAX - 4) / 4).map(|_| letter()).collect::<String>());
    assert_eq!((key.len(), value.len()), (KEY_BYTES_MAX, VALUE_BYTES_MAX - 2));
    commit(&*store, vec![put(&key, &value)]).await;
    let document = store.get(WORKER, &key).await.unwrap().unwrap();
    assert!(document.value == value && document.key == key);
    let row = store.audit(&AuditQuery { key: Some(key), ..everything() }).await.unwrap().remove(0);
    assert!(row.after == Some(value));
}

pub(crate) async fn old_changes_are_deleted_and_a_watcher_of_them_gets_an_error(fixture: &Fixture) {
    let store = fixture.open().await;
    let half = usize::try_from(CHANGES_MAX / 2).unwrap() + 1;
    let keys: Vec<_> = (0..half).map(|number| format!("http://w{number}:80")).collect();
    let mut revisions = vec![0];
    for value in ["1", "2", "3"] {
        revisions.push(commit(&*store, keys.iter().map(|key| put(key, value)).collect()).await);
    }
    for forgotten in &revisions[..2] {
        let answer = store.changes(*forgotten).await;
        assert_eq!(answer, Err(StoreError::Forgotten { after: *forgotten }));
        assert_eq!(store.watch(*forgotten).next().await, Err(StoreError::Forgotten { after: *forgotten }));
    }
    let last = store.changes(revisions[2]).await.unwrap();
    assert_eq!((last.len(), last[0].changes.len()), (1, half), "the last commit is kept whole");
    assert_eq!(workers(&*store).await.len(), half);

    let (mut rows, mut before) = (0, None);
    loop {
        let page = store.audit(&AuditQuery { before, ..everything() }).await.unwrap();
        let Some(oldest) = page.last() else { break };
        (rows, before) = (rows + page.len() as u64, Some(oldest.id));
    }
    assert_eq!(rows, AUDIT_ROWS_MAX);
}
