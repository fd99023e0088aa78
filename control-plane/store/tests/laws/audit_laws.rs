use std::time::{SystemTime, UNIX_EPOCH};

use slotway_store::{AuditQuery, AuditRow, Batch, Expected, Kind, Who, Write};

use crate::fixture::{Fixture, SETTINGS, WORKER, commit, delete, everything, put};

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub(crate) async fn an_audit_row_has_author_time_and_the_document_before_and_after(fixture: &Fixture) {
    let store = fixture.open().await;
    let began = now_ms();
    let writes = vec![
        put("ü", r#"{"capacity":1}"#),
        Write::put(Kind::FACT, "generation", "7", Expected::Anything),
        Write::put(SETTINGS, "file", "[]", Expected::Anything),
    ];
    let made = store.commit(Batch { who: Who::CONFIG_FILE, writes }).await.unwrap();
    let changed = store.put(Who::named("Åsa"), WORKER, "ü", r#"{"capacity":2}"#, Expected::Anything).await;
    let deleted = commit(&*store, vec![delete("ü"), delete("nobody")]).await;
    let rows = store.audit(&everything()).await.unwrap();
    assert!(rows.iter().all(|row| (began..=now_ms()).contains(&row.at_ms)), "{rows:?}");
    assert!(rows.windows(2).all(|pair| pair[0].id > pair[1].id), "{rows:?}");
    let said = |row: &AuditRow| {
        let AuditRow { revision, who, kind, key, before, after, .. } = row.clone();
        (revision, who, kind, key, before, after)
    };
    let row = |revision, who: &str, kind: &str, key: &str, before: Option<&str>, after: Option<&str>| {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        (revision, who.to_owned(), kind.to_owned(), key.to_owned(), owned(before), owned(after))
    };
    let (one, two) = (r#"{"capacity":1}"#, r#"{"capacity":2}"#);
    assert_eq!(
        rows.iter().map(said).collect::<Vec<_>>(),
        [
            row(deleted, "system", "worker", "ü", Some(two), None),
            row(changed.unwrap(), "Åsa", "worker", "ü", Some(one), Some(two)),
            row(made, "config file", "settings", "file", None, Some("[]")),
            row(made, "config file", "worker", "ü", None, Some(one)),
        ]
    );
}

pub(crate) async fn audit_rows_are_listed_newest_first_with_pages_and_filters(fixture: &Fixture) {
    let store = fixture.open().await;
    for number in 0..6 {
        let (key, who) = (format!("w{}", number % 2), Who::named(&format!("admin {}", number % 3)));
        let kind = if number < 4 { WORKER } else { SETTINGS };
        store.put(who, kind, &key, &number.to_string(), Expected::Anything).await.unwrap();
    }
    let ask = async |query: AuditQuery| {
        let rows = store.audit(&query).await.unwrap();
        rows.into_iter().map(|row| row.after.unwrap().parse::<u8>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ask(everything()).await, [5, 4, 3, 2, 1, 0]);
    assert_eq!(ask(AuditQuery { limit: 2, ..everything() }).await, [5, 4]);
    let fourth = store.audit(&everything()).await.unwrap()[3].id;
    assert_eq!(ask(AuditQuery { before: Some(fourth), limit: 1, ..everything() }).await, [1]);
    assert_eq!(ask(AuditQuery { kind: Some("worker".to_owned()), ..everything() }).await, [3, 2, 1, 0]);
    assert_eq!(ask(AuditQuery { key: Some("w1".to_owned()), ..everything() }).await, [5, 3, 1]);
    assert_eq!(ask(AuditQuery { who: Some("admin 1".to_owned()), ..everything() }).await, [4, 1]);
    let all = AuditQuery {
        kind: Some("settings".to_owned()),
        key: Some("w0".to_owned()),
        who: Some("admin 1".to_owned()),
        ..everything()
    };
    assert_eq!(ask(all).await, [4]);
    assert_eq!(ask(AuditQuery { kind: Some("no such".to_owned()), ..everything() }).await, [0; 0]);
    assert_eq!(ask(AuditQuery { before: Some(0), ..everything() }).await, [0; 0]);
}

pub(crate) async fn audit_rows_are_found_by_the_revisions_that_made_them(fixture: &Fixture) {
    let store = fixture.open().await;
    let mut revisions = Vec::new();
    for number in 0..4 {
        // Two rows of one revision, and one revision without a row between two others.
        let writes = vec![put(&format!("a{number}"), "{}"), put(&format!("b{number}"), "{}")];
        revisions.push(commit(&*store, writes).await);
        store.put(Who::SYSTEM, Kind::FACT, "f", &number.to_string(), Expected::Anything).await.unwrap();
    }
    let ask = async |after_revision, up_to_revision| {
        let query = AuditQuery { after_revision, up_to_revision, ..everything() };
        let rows = store.audit(&query).await.unwrap();
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(ask(Some(revisions[1]), Some(revisions[2])).await, ["b2", "a2"]);
    assert_eq!(ask(Some(revisions[1] + 1), Some(revisions[3] - 1)).await, ["b2", "a2"]);
    assert_eq!(ask(Some(revisions[2]), None).await, ["b3", "a3"]);
    assert_eq!(ask(None, Some(revisions[0])).await, ["b0", "a0"]);
    assert_eq!(ask(Some(0), None).await.len(), 8);
    assert_eq!(ask(Some(revisions[3]), None).await, [""; 0]);
    assert_eq!(ask(Some(u64::MAX), None).await, [""; 0]);
    assert_eq!(ask(Some(revisions[2]), Some(revisions[1])).await, [""; 0]);
}

pub(crate) async fn audit_rows_contain_no_secrets(fixture: &Fixture) {
    let store = fixture.open().await;
    let document = r#"{"to":"https://u:hush@h/","s3":{"secret_access_key":"hush"},"password":"hush"}"#;
    commit(&*store, vec![put("a", document)]).await;
    commit(&*store, vec![put("a", "{}")]).await;
    let rows = store.audit(&everything()).await.unwrap();
    assert_eq!((rows.len(), rows[0].before.as_ref()), (2, rows[1].after.as_ref()));
    assert!(!format!("{rows:?}").contains("hush"), "{rows:?}");
    assert_eq!(store.get(WORKER, "a").await.unwrap().unwrap().value, "{}");
}
