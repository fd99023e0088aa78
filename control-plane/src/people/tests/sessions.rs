use std::time::Duration;

use axum::http::Method;

use super::house::{House, PASSWORD, from, request, with_session};
use crate::kinds;
use crate::{
    error::Error,
    people::{
        FAILURES_OF_A_NAME, Identity, Role, SESSION_IDLE, SESSION_WHOLE, SESSIONS_PER_USER_MAX, Scope,
        UserWanted,
    },
    store::AuditQuery,
};

#[tokio::test]
async fn who_signs_in_is_known_by_their_session_with_their_roles_scope() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    house.with("vic", Role::Viewer).await;
    for (user, scope) in [("ada", Scope::Admin), ("vic", Scope::Read)] {
        let signed = house.sign_in(user).await;
        let identity = house.who(&signed).await.unwrap();
        assert_eq!((identity.who.as_str(), identity.scope, identity.user()), (user, scope, Some(user)));
        assert_eq!(house.people.session_of(&identity), Some(signed));
    }
}

#[tokio::test]
async fn nobody_comes_in_by_a_wrong_name_or_password_and_which_is_not_told() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    house.with("out", Role::Viewer).await;
    let out = UserWanted { role: Role::Viewer, disabled: true, password: None };
    house.put(&Identity::ADMIN_TOKEN, "out", out).await.unwrap();
    for (user, password) in [
        ("ada", "correct horsf"),
        ("ada", ""),
        ("nobody", PASSWORD),
        ("Ada", PASSWORD),
        ("", PASSWORD),
        ("out", PASSWORD),
    ] {
        let outcome = house.people.sign_in(&from("192.0.2.1"), user, password.into()).await;
        assert!(matches!(outcome, Err(Error::WrongPassword)), "{user} {password}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_name_is_locked_whether_there_is_such_a_user_or_not_and_the_right_password_does_not_help() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    let signed = house.sign_in("ada").await;
    for user in ["ada", "nobody"] {
        let attempt = async |number: u32, password: &str| {
            house.people.sign_in(&from(&format!("198.51.100.{number}")), user, password.into()).await
        };
        for number in 0..FAILURES_OF_A_NAME {
            assert!(matches!(attempt(number, "wrong").await, Err(Error::WrongPassword)));
        }
        let locked = attempt(100, PASSWORD).await;
        assert!(matches!(locked, Err(Error::TooManyFailures { wait_s: 4..=5 })), "{user}: {locked:?}");
    }
    house.who(&signed).await.unwrap();
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_in_the_end_in_any_case() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    let (idle, used) = (house.sign_in("ada").await, house.sign_in("ada").await);
    let half = SESSION_IDLE / 2;
    for _ in 0..SESSION_WHOLE.as_secs() / half.as_secs() - 1 {
        house.clock.advance(half);
        house.who(&used).await.unwrap();
    }
    assert!(matches!(house.who(&idle).await, Err(Error::SessionEnded)));
    house.clock.advance(half);
    assert!(matches!(house.who(&used).await, Err(Error::SessionEnded)));
    // What has ended is let go of, and leaves no audit rows.
    house.people.prune_now().await.unwrap();
    assert!(house.store.list(&[kinds::SESSION]).await.unwrap().documents.is_empty());
    let rows = house.store.audit(&AuditQuery { limit: 1_000, ..AuditQuery::newest() }).await.unwrap();
    assert!(rows.iter().all(|row| row.kind == "user"), "{rows:?}");
}

#[tokio::test]
async fn when_a_session_was_used_is_kept_so_that_others_and_a_restart_know() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    let signed = house.sign_in("ada").await;
    let keeping = tokio::spawn({
        let people = house.people.clone();
        async move { people.keep().await }
    });
    let mut watch = house.store.watch(house.store.list(&[kinds::SESSION]).await.unwrap().revision);
    house.clock.advance(SESSION_IDLE / 2);
    house.who(&signed).await.unwrap();
    let commit = watch.next().await.unwrap();
    assert_eq!(commit.changes[0].kind, kinds::SESSION);
    keeping.abort();
    let another = House::another(&house.store, &house.clock).await;
    house.clock.advance(SESSION_IDLE / 2 + Duration::from_secs(1));
    with_session(&another, &signed, Method::GET, None).await.unwrap();
}

#[tokio::test]
async fn a_change_with_a_cookie_needs_the_sessions_own_token_against_forged_requests() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    let (signed, other) = (house.sign_in("ada").await, house.sign_in("ada").await);
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for wrong in [None, Some(""), Some("x"), Some(other.id.csrf_token().as_str())] {
            let outcome = with_session(&house.people, &signed, method.clone(), wrong).await;
            assert!(matches!(outcome, Err(Error::CsrfTokenMissing)), "{method} {wrong:?}: {outcome:?}");
        }
        let token = signed.id.csrf_token();
        with_session(&house.people, &signed, method, Some(&token)).await.unwrap();
    }
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        with_session(&house.people, &signed, method, None).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_session_is_refused_and_not_somebody_on_this_machine() {
    let house = House::new().await;
    for cookie in
        ["slotway_session=x", "a=b; slotway_session=0000", &format!("slotway_session={}", "x".repeat(100))]
    {
        let outcome = house.people.identify(&request(Method::GET, &[("cookie", cookie)], "127.0.0.1")).await;
        assert!(matches!(outcome, Err(Error::SessionEnded)), "{cookie}: {outcome:?}");
    }
    for cookie in ["", "slotway_session=", "other=x", "xslotway_session=x"] {
        let identity = house.people.identify(&request(Method::GET, &[("cookie", cookie)], "127.0.0.1")).await;
        assert_eq!(identity.unwrap(), Some(Identity::LOCAL), "{cookie}");
    }
}

#[tokio::test]
async fn a_session_ends_with_its_users_right() {
    type Change = fn(&mut UserWanted);
    let changes: [(&str, Change); 3] = [
        ("another role", |user| user.role = Role::Viewer),
        ("kept out", |user| user.disabled = true),
        ("another password", |user| user.password = Some("battery staple".into())),
    ];
    for (what, change) in changes {
        let house = House::new().await;
        house.with("ada", Role::Admin).await;
        let signed = house.sign_in("ada").await;
        let identity = house.who(&signed).await.unwrap();
        let mut wanted = UserWanted { role: Role::Admin, disabled: false, password: None };
        house.put(&Identity::ADMIN_TOKEN, "ada", wanted.clone()).await.unwrap();
        house.who(&signed).await.unwrap();
        assert!(house.people.still(&identity));
        change(&mut wanted);
        house.put(&Identity::ADMIN_TOKEN, "ada", wanted).await.unwrap();
        assert!(matches!(house.who(&signed).await, Err(Error::SessionEnded)), "{what}");
        assert!(!house.people.still(&identity), "{what}");
    }
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    let signed = house.sign_in("ada").await;
    house.people.remove_user(&Identity::ADMIN_TOKEN, "ada", &|_| Ok(()), false).await.unwrap();
    assert!(matches!(house.who(&signed).await, Err(Error::SessionEnded)));
    house.with("ada", Role::Admin).await;
    assert!(matches!(house.who(&signed).await, Err(Error::SessionEnded)), "another one of that name");
}

#[tokio::test]
async fn who_signs_out_has_no_session_any_longer_and_others_have_theirs() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    let (one, other) = (house.sign_in("ada").await, house.sign_in("ada").await);
    let identity = house.who(&one).await.unwrap();
    house.people.sign_out(&identity).await.unwrap();
    assert!(matches!(house.who(&one).await, Err(Error::SessionEnded)));
    house.who(&other).await.unwrap();
    assert!(matches!(house.people.sign_out(&Identity::ADMIN_TOKEN).await, Err(Error::NeedsSession { .. })));
}

#[tokio::test]
async fn one_session_too_many_ends_the_one_that_was_not_used_for_longest() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    let mut all = Vec::new();
    for _ in 0..SESSIONS_PER_USER_MAX {
        all.push(house.people.begin_session("ada").await.unwrap());
        house.clock.advance(Duration::from_secs(1));
    }
    house.clock.advance(SESSION_IDLE / 2);
    house.who(&all[0]).await.unwrap();
    all.push(house.people.begin_session("ada").await.unwrap());
    assert!(matches!(house.who(&all[1]).await, Err(Error::SessionEnded)));
    for (number, signed) in all.iter().enumerate().filter(|(number, _)| *number != 1) {
        assert!(house.who(signed).await.is_ok(), "{number}");
    }
    assert_eq!(house.people.user("ada").unwrap().sessions, SESSIONS_PER_USER_MAX);
}

#[tokio::test]
async fn a_person_changes_their_own_password_by_the_one_that_there_is() {
    let house = House::new().await;
    house.with("vic", Role::Viewer).await;
    let signed = house.sign_in("vic").await;
    let identity = house.who(&signed).await.unwrap();
    let change = async |old: &str, new: &str| {
        house.people.change_password(&identity, &from("192.0.2.1"), old.into(), new.into()).await
    };
    assert!(matches!(change("wrong", "battery staple").await, Err(Error::WrongPassword)));
    for wrong in ["short", PASSWORD, "vic"] {
        assert!(matches!(change(PASSWORD, wrong).await, Err(Error::BadBody { .. })), "{wrong}");
    }
    let anew = change(PASSWORD, "battery staple").await.unwrap();
    house.who(&anew).await.unwrap();
    assert!(matches!(house.who(&signed).await, Err(Error::SessionEnded)));
    let by = Identity::ADMIN_TOKEN;
    let parts = from("192.0.2.1");
    let outcome = house.people.change_password(&by, &parts, PASSWORD.into(), "battery staple".into());
    assert!(matches!(outcome.await, Err(Error::NeedsSession { .. })));
    let rows = house.store.audit(&AuditQuery::newest()).await.unwrap();
    assert_eq!((rows[0].who.as_str(), rows[0].key.as_str()), ("vic", "vic"));
    assert!(!format!("{rows:?}").contains("argon2id"), "{rows:?}");
}
