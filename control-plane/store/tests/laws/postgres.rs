use slotway_store::{Change, StoreError, StoreSettings};
use slotway_test_postgres::{PASSWORD, Postgres};

use crate::fixture::{Fixture, WORKER, commit, next, put, until, workers};

#[tokio::test]
async fn a_commit_of_one_control_plane_arrives_at_another_at_once() {
    let fixture = Fixture::postgres();
    let (one, other) = (fixture.open().await, fixture.open().await);
    let mut watch = other.watch(0);
    // Both stores receive the notification. The periodic read every other second is only a fallback.
    let server = fixture.postgres.as_ref().unwrap();
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN \"slotway_store\"'";
    until("both listen", async || (server.sql(listening) == "2").then_some(())).await;
    for number in 0..20 {
        let revision = commit(&*one, vec![put("a", &number.to_string())]).await;
        let seen = next(&mut watch).await;
        let changes = vec![Change { kind: WORKER, key: "a".to_owned(), value: Some(number.to_string()) }];
        assert_eq!((seen.revision, seen.changes), (revision, changes));
    }
}

#[tokio::test]
async fn concurrent_starts_on_an_empty_database_succeed() {
    let fixture = Fixture::postgres();
    let stores = tokio::join!(fixture.try_open(), fixture.try_open(), fixture.try_open(), fixture.try_open());
    for store in [stores.0, stores.1, stores.2, stores.3] {
        commit(&*store.unwrap(), vec![put("a", "1")]).await;
    }
    let server = fixture.postgres.as_ref().unwrap();
    assert_eq!(server.sql("SELECT schema, revision FROM slotway.store"), "1|4");
}

#[tokio::test]
async fn after_lost_connections_a_watcher_misses_nothing() {
    let fixture = Fixture::postgres();
    let (one, other) = (fixture.open().await, fixture.open().await);
    let server = fixture.postgres.as_ref().unwrap();
    let mut watch = other.watch(0);
    for number in 0..10 {
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'slotway'";
        server.sql(cut);
        let write = || commit(&*one, vec![put("a", &number.to_string())]);
        // The first use of a closed connection may fail.
        let revision = match one.commit(crate::fixture::batch(vec![put("a", &number.to_string())])).await {
            Ok(revision) => revision,
            Err(_) => write().await,
        };
        loop {
            match watch.next().await {
                Ok(seen) if seen.revision < revision => {}
                Ok(seen) => {
                    assert_eq!(seen.revision, revision);
                    break;
                }
                Err(error) => assert!(matches!(error, StoreError::Unavailable { .. }), "{error}"),
            }
        }
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_changed() {
    let fixture = Fixture::postgres();
    commit(&*fixture.open().await, vec![put("a", "1")]).await;
    let server = fixture.postgres.as_ref().unwrap();
    server.sql("UPDATE slotway.store SET schema = 99");
    let refused = fixture.try_open().await.err().expect("the store must refuse to open");
    let place = server.url_without_password();
    assert_eq!(refused, StoreError::Newer { place, found: 99, known: 1 });
    assert_eq!(server.sql("SELECT schema, revision FROM slotway.store"), "99|1");
}

#[tokio::test]
async fn tables_of_another_program_are_refused_and_not_changed() {
    let fixture = Fixture::postgres();
    let server = fixture.postgres.as_ref().unwrap();
    server.sql("CREATE SCHEMA slotway; CREATE TABLE slotway.theirs (a int)");
    let refused = fixture.try_open().await.err().expect("the store must refuse to open");
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert_eq!(server.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'slotway'"), "theirs");
}

#[tokio::test]
async fn a_database_without_one_of_its_tables_is_reported_as_damaged() {
    let fixture = Fixture::postgres();
    let store = fixture.open().await;
    fixture.postgres.as_ref().unwrap().sql("DROP TABLE slotway.audit");
    let refused = store.commit(crate::fixture::batch(vec![put("a", "1")])).await.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert_eq!(workers(&*store).await, [], "a change without its audit row is not made");
    assert!(store.trouble().borrow().is_some());
}

#[tokio::test]
async fn a_role_that_may_only_use_the_tables_is_sufficient() {
    let mut fixture = Fixture::postgres();
    commit(&*fixture.open().await, vec![put("a", "1")]).await;
    let server = fixture.postgres.as_ref().unwrap();
    server.sql(
        "CREATE ROLE lesser LOGIN PASSWORD 'less';
         GRANT USAGE ON SCHEMA slotway TO lesser;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA slotway TO lesser",
    );
    let url = server.url_without_password().replace("slotway@", "lesser@");
    let StoreSettings::Postgres(url) = url.parse().unwrap() else { panic!("{url}") };
    fixture.settings = StoreSettings::Postgres(url.with_password("less".to_owned()));
    commit(&*fixture.open().await, vec![put("b", "2")]).await;
}

#[tokio::test]
async fn a_failed_connection_reports_the_reason_without_the_password() {
    let mut fixture = Fixture::postgres();
    let right = fixture.settings.clone();
    let server = fixture.server();
    let nobody = format!("{}_no_more", server.url());
    let wrong = server.url().replace("hush%2Fhush", "quiet");
    let nowhere = format!("postgres://slotway:{}@127.0.0.1:1/slotway", "hush%2Fhush");
    for (url, says) in [
        (nobody, "database \"slotway_no_more\" does not exist"),
        (wrong, "password authentication failed for user \"slotway\""),
        (nowhere, "Connection refused"),
    ] {
        fixture.settings = url.parse().unwrap();
        let refused = fixture.try_open().await.err().expect("the store must refuse to open");
        assert!(refused.to_string().contains(says), "{refused}");
        let shown = format!("{refused} {refused:?} {:?}", fixture.settings);
        assert!(!shown.contains(PASSWORD) && !shown.contains("hush") && !shown.contains("quiet"), "{shown}");
    }
    fixture.settings = right;
    fixture.open().await;
}

#[tokio::test]
async fn connections_are_bounded_and_returned() {
    let fixture = Fixture::postgres();
    let store = fixture.open().await;
    let many = (0..200).map(|number| {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move { commit(&*store, vec![put(&number.to_string(), "1")]).await })
    });
    for one in many.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    let server = fixture.postgres.as_ref().unwrap();
    let open = server.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'slotway'");
    assert!(
        (2..=9).contains(&open.parse().unwrap()),
        "{open}: at most eight connections, and one for notifications"
    );
    assert_eq!(workers(&*store).await.len(), 200);
}

#[tokio::test]
async fn the_certificate_of_a_database_is_verified() {
    let named = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        rcgen::generate_simple_self_signed(names).unwrap()
    };
    let (right, wrong) = (named(&["localhost"]), named(&["localhost"]));
    let mut fixture =
        Fixture::with(Postgres::start_with_tls(&right.cert.pem(), &right.signing_key.serialize_pem()));
    let plain = fixture.server().url().replace("@127.0.0.1:", "@localhost:");
    let asking = |mode: &str, name: &str| {
        let file = fixture.directory.path().join(name);
        let certificate = if name == "right" { &right } else { &wrong };
        std::fs::write(&file, certificate.cert.pem()).unwrap();
        format!("{plain}?sslmode={mode}&sslrootcert={}", file.display()).parse().unwrap()
    };
    let (verified, refused) = (asking("verify-full", "right"), asking("verify-full", "wrong"));
    fixture.settings = verified;
    commit(&*fixture.open().await, vec![put("a", "1")]).await;
    let unencrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'slotway' AND NOT ssl";
    assert_eq!(fixture.server().sql(unencrypted), "0");
    fixture.settings = refused;
    let error = fixture.try_open().await.err().expect("the store must refuse to open").to_string();
    assert!(error.contains("certificate"), "{error}");
}
