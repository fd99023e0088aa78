use std::{net::Ipv4Addr, time::Duration};

use slotway_store::AuditQuery;

use super::fixture::{CLIENT, Fixture, PASSWORD, authenticate_session, unchecked};
use crate::{
    Credentials, Field, Identity, IdentityError, NAME_FAILURES_MAX, Role, SESSION_IDLE_MAX,
    SESSION_LIFETIME_MAX, SESSIONS_PER_USER_MAX, Scope, UserUpdate, kinds::SESSION,
};

#[tokio::test]
async fn a_session_authenticates_its_user_with_the_scope_of_the_role() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    fixture.create_user("vic", Role::Viewer).await;
    for (user, scope) in [("ada", Scope::Admin), ("vic", Scope::Read)] {
        let session = fixture.sign_in(user).await;
        let identity = fixture.authenticate(&session).await.unwrap();
        assert_eq!((identity.who.as_str(), identity.scope, identity.user()), (user, scope, Some(user)));
        assert_eq!(fixture.service.session_of(&identity), Some(session));
    }
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_get_the_same_refusal() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    fixture.create_user("out", Role::Viewer).await;
    let out = UserUpdate { role: Role::Viewer, disabled: true, password: None };
    fixture.put(&Identity::ADMIN_TOKEN, "out", out).await.unwrap();
    for (user, password) in [
        ("ada", "correct horsf"),
        ("ada", ""),
        ("nobody", PASSWORD),
        ("Ada", PASSWORD),
        ("", PASSWORD),
        ("out", PASSWORD),
    ] {
        let outcome = fixture.service.sign_in(CLIENT, user, password.into()).await;
        assert!(matches!(outcome, Err(IdentityError::WrongPassword)), "{user} {password}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_name_is_locked_whether_or_not_the_user_exists_even_for_the_right_password() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    let session = fixture.sign_in("ada").await;
    for user in ["ada", "nobody"] {
        let attempt = async |number: u32, password: &str| {
            let peer = Ipv4Addr::from(0xc633_6400 + number).into();
            fixture.service.sign_in(Some(peer), user, password.into()).await
        };
        for number in 0..NAME_FAILURES_MAX {
            assert!(matches!(attempt(number, "wrong").await, Err(IdentityError::WrongPassword)));
        }
        let locked = attempt(100, PASSWORD).await;
        assert!(
            matches!(locked, Err(IdentityError::TooManyFailures { wait_s: 4..=5 })),
            "{user}: {locked:?}"
        );
    }
    fixture.authenticate(&session).await.unwrap();
}

#[tokio::test]
async fn a_session_ends_without_use_and_after_its_longest_lifetime() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    let (idle, used) = (fixture.sign_in("ada").await, fixture.sign_in("ada").await);
    let half = SESSION_IDLE_MAX / 2;
    for _ in 0..SESSION_LIFETIME_MAX.as_secs() / half.as_secs() - 1 {
        fixture.clock.advance(half);
        fixture.authenticate(&used).await.unwrap();
    }
    assert!(matches!(fixture.authenticate(&idle).await, Err(IdentityError::SessionEnded)));
    fixture.clock.advance(half);
    assert!(matches!(fixture.authenticate(&used).await, Err(IdentityError::SessionEnded)));
    // Ended sessions are deleted, without audit rows.
    fixture.service.prune_now().await.unwrap();
    assert!(fixture.store.list(&[SESSION]).await.unwrap().documents.is_empty());
    let rows = fixture.store.audit(&AuditQuery { limit: 1_000, ..AuditQuery::newest() }).await.unwrap();
    assert!(rows.iter().all(|row| row.kind == "user"), "{rows:?}");
}

#[tokio::test]
async fn the_last_use_of_a_session_is_stored_for_other_control_planes_and_a_restart() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    let session = fixture.sign_in("ada").await;
    let running = tokio::spawn({
        let service = fixture.service.clone();
        async move { service.run().await }
    });
    let mut watch = fixture.store.watch(fixture.store.list(&[SESSION]).await.unwrap().revision);
    fixture.clock.advance(SESSION_IDLE_MAX / 2);
    fixture.authenticate(&session).await.unwrap();
    let commit = watch.next().await.unwrap();
    assert_eq!(commit.changes[0].kind, SESSION);
    running.abort();
    let another = Fixture::another(&fixture.store, &fixture.clock).await;
    fixture.clock.advance(SESSION_IDLE_MAX / 2 + Duration::from_secs(1));
    authenticate_session(&another, &session).await.unwrap();
}

#[tokio::test]
async fn a_change_with_a_session_needs_the_csrf_token_of_that_session() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    let (session, other) = (fixture.sign_in("ada").await, fixture.sign_in("ada").await);
    let change = async |csrf_token: Option<&str>| {
        let credentials = Credentials {
            session_id: Some(session.id.expose()),
            csrf_token: csrf_token.map(str::as_bytes),
            may_change: true,
            ..Credentials::default()
        };
        fixture.service.authenticate(credentials).await
    };
    for wrong in [None, Some(""), Some("x"), Some(other.id.csrf_token().as_str())] {
        let outcome = change(wrong).await;
        assert!(matches!(outcome, Err(IdentityError::CsrfTokenMissing)), "{wrong:?}: {outcome:?}");
    }
    change(Some(&session.id.csrf_token())).await.unwrap();
    fixture.authenticate(&session).await.unwrap();
}

#[tokio::test]
async fn an_invalid_session_is_refused_even_for_a_local_request() {
    let fixture = Fixture::new().await;
    let local = Credentials { is_local: true, ..Credentials::default() };
    for id in ["x", "0000", &"x".repeat(100)] {
        let outcome = fixture.service.authenticate(Credentials { session_id: Some(id), ..local }).await;
        assert!(matches!(outcome, Err(IdentityError::SessionEnded)), "{id}: {outcome:?}");
    }
    assert_eq!(fixture.service.authenticate(local).await.unwrap(), Some(Identity::LOCAL));
    assert_eq!(fixture.service.authenticate(Credentials::default()).await.unwrap(), None);
}

#[tokio::test]
async fn a_session_ends_when_its_user_changes() {
    type Change = fn(&mut UserUpdate);
    let changes: [(&str, Change); 3] = [
        ("another role", |user| user.role = Role::Viewer),
        ("disabled", |user| user.disabled = true),
        ("another password", |user| user.password = Some("battery staple".into())),
    ];
    for (what, change) in changes {
        let fixture = Fixture::new().await;
        fixture.create_user("ada", Role::Admin).await;
        let session = fixture.sign_in("ada").await;
        fixture.authenticate(&session).await.unwrap();
        let mut update = UserUpdate { role: Role::Admin, disabled: false, password: None };
        fixture.put(&Identity::ADMIN_TOKEN, "ada", update.clone()).await.unwrap();
        fixture.authenticate(&session).await.unwrap();
        change(&mut update);
        fixture.put(&Identity::ADMIN_TOKEN, "ada", update).await.unwrap();
        assert!(matches!(fixture.authenticate(&session).await, Err(IdentityError::SessionEnded)), "{what}");
    }
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    let session = fixture.sign_in("ada").await;
    fixture.service.delete_user(&Identity::ADMIN_TOKEN, "ada", unchecked, false).await.unwrap();
    assert!(matches!(fixture.authenticate(&session).await, Err(IdentityError::SessionEnded)));
    fixture.create_user("ada", Role::Admin).await;
    assert!(
        matches!(fixture.authenticate(&session).await, Err(IdentityError::SessionEnded)),
        "another user of that name"
    );
}

#[tokio::test]
async fn signing_out_ends_one_session() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    let (one, other) = (fixture.sign_in("ada").await, fixture.sign_in("ada").await);
    let identity = fixture.authenticate(&one).await.unwrap();
    fixture.service.sign_out(&identity).await.unwrap();
    assert!(matches!(fixture.authenticate(&one).await, Err(IdentityError::SessionEnded)));
    fixture.authenticate(&other).await.unwrap();
    assert!(matches!(
        fixture.service.sign_out(&Identity::ADMIN_TOKEN).await,
        Err(IdentityError::NeedsSession { .. })
    ));
}

#[tokio::test]
async fn a_session_beyond_the_limit_ends_the_least_recently_used_one() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    let mut all = Vec::new();
    for _ in 0..SESSIONS_PER_USER_MAX {
        all.push(fixture.service.begin_session("ada").await.unwrap());
        fixture.clock.advance(Duration::from_secs(1));
    }
    fixture.clock.advance(SESSION_IDLE_MAX / 2);
    fixture.authenticate(&all[0]).await.unwrap();
    all.push(fixture.service.begin_session("ada").await.unwrap());
    assert!(matches!(fixture.authenticate(&all[1]).await, Err(IdentityError::SessionEnded)));
    for (number, session) in all.iter().enumerate().filter(|(number, _)| *number != 1) {
        assert!(fixture.authenticate(session).await.is_ok(), "{number}");
    }
    assert_eq!(fixture.service.user("ada").unwrap().sessions, SESSIONS_PER_USER_MAX);
}

#[tokio::test]
async fn a_user_changes_their_own_password_with_the_present_one() {
    let fixture = Fixture::new().await;
    fixture.create_user("vic", Role::Viewer).await;
    let session = fixture.sign_in("vic").await;
    let identity = fixture.authenticate(&session).await.unwrap();
    let change = async |old: &str, new: &str| {
        fixture.service.change_password(&identity, CLIENT, old.into(), new.into()).await
    };
    assert!(matches!(change("wrong", "battery staple").await, Err(IdentityError::WrongPassword)));
    for wrong in ["short", PASSWORD, "vic"] {
        let outcome = change(PASSWORD, wrong).await;
        assert!(
            matches!(outcome, Err(IdentityError::Invalid { field: Field::NewPassword, .. })),
            "{wrong}: {outcome:?}"
        );
    }
    let renewed = change(PASSWORD, "battery staple").await.unwrap();
    fixture.authenticate(&renewed).await.unwrap();
    assert!(matches!(fixture.authenticate(&session).await, Err(IdentityError::SessionEnded)));
    let by = Identity::ADMIN_TOKEN;
    let outcome = fixture.service.change_password(&by, CLIENT, PASSWORD.into(), "battery staple".into());
    assert!(matches!(outcome.await, Err(IdentityError::NeedsSession { .. })));
    let rows = fixture.store.audit(&AuditQuery::newest()).await.unwrap();
    assert_eq!((rows[0].who.as_str(), rows[0].key.as_str()), ("vic", "vic"));
    assert!(!format!("{rows:?}").contains("argon2id"), "{rows:?}");
}
