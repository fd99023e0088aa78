use std::time::Duration;

use super::house::{House, name, wanted, with_token};
use crate::kinds;
use crate::{
    error::Error,
    people::{Identity, NewToken, Role, Scope, TokenWanted, UserWanted},
    store::AuditQuery,
};

const HOUR: Duration = Duration::from_secs(3_600);

async fn made(
    house: &House,
    by: &Identity,
    token: &str,
    scope: Scope,
    expires_in: Option<Duration>,
) -> Result<NewToken, Error> {
    house.people.make_token(by, &name(token), &TokenWanted { scope, expires_in }, false).await
}

#[tokio::test]
async fn a_token_is_known_by_its_secret_which_is_kept_nowhere() {
    let house = House::new().await;
    let token = made(&house, &Identity::ADMIN_TOKEN, "autoscaler", Scope::Workers, None).await.unwrap();
    assert_eq!(token.secret.len(), "slotway_".len() + 43);
    let identity = with_token(&house.people, &token.secret).await.unwrap();
    assert_eq!((identity.who.as_str(), identity.scope), ("token autoscaler", Scope::Workers));
    let short = &token.secret[..token.secret.len() - 1];
    for wrong in
        [short, "slotway_", &format!("{}x", token.secret), &token.secret.to_uppercase(), "slotway_\u{fc}"]
    {
        assert!(matches!(with_token(&house.people, wrong).await, Err(Error::Unauthorized(_))), "{wrong}");
    }
    let listing = house.store.list(&kinds::ALL).await.unwrap();
    let rows = house.store.audit(&AuditQuery { limit: 100, ..AuditQuery::newest() }).await.unwrap();
    let hash = super::super::secret::hashed(&token.secret);
    assert!(format!("{listing:?}").contains(&hash));
    assert!(!format!("{listing:?} {rows:?} {token:?}").contains(&token.secret[8..]));
    assert!(!format!("{rows:?}").contains(&hash));
    house.people.remove_token(&Identity::ADMIN_TOKEN, "autoscaler", &|_| Ok(()), false).await.unwrap();
    assert!(matches!(with_token(&house.people, &token.secret).await, Err(Error::Unauthorized(_))));
    assert!(!house.people.still(&identity));
}

#[tokio::test]
async fn a_token_expires() {
    let house = House::new().await;
    let token = made(&house, &Identity::ADMIN_TOKEN, "t", Scope::Read, Some(HOUR)).await.unwrap();
    house.clock.advance(HOUR - Duration::from_millis(1));
    let identity = with_token(&house.people, &token.secret).await.unwrap();
    house.clock.advance(Duration::from_millis(1));
    let outcome = with_token(&house.people, &token.secret).await;
    assert!(matches!(outcome, Err(Error::Unauthorized(why)) if why.contains("expired")), "{outcome:?}");
    assert!(!house.people.still(&identity));
    assert!(house.people.token(&Identity::ADMIN_TOKEN, "t").unwrap().refused);
}

#[tokio::test]
async fn a_token_may_no_more_than_the_person_whose_it_is_now() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    house.with("vic", Role::Viewer).await;
    let (ada, vic) = (house.sign_in("ada").await, house.sign_in("vic").await);
    let (ada, vic) = (house.who(&ada).await.unwrap(), house.who(&vic).await.unwrap());
    for scope in [Scope::Workers, Scope::Admin] {
        let outcome = made(&house, &vic, "t", scope, None).await;
        assert!(matches!(outcome, Err(Error::Forbidden { .. })), "{outcome:?}");
    }
    made(&house, &vic, "vics", Scope::Read, None).await.unwrap();
    let adas = made(&house, &ada, "adas", Scope::Admin, None).await.unwrap();
    let scope = async || with_token(&house.people, &adas.secret).await.map(|identity| identity.scope);
    assert_eq!(scope().await.unwrap(), Scope::Admin);
    let put = async |role, disabled| {
        let wanted = UserWanted { role, disabled, password: None };
        house.put(&Identity::ADMIN_TOKEN, "ada", wanted).await.unwrap();
    };
    put(Role::Viewer, false).await;
    assert_eq!(scope().await.unwrap(), Scope::Read);
    put(Role::Admin, true).await;
    assert!(matches!(scope().await, Err(Error::Unauthorized(_))));
    put(Role::Admin, false).await;
    assert_eq!(scope().await.unwrap(), Scope::Admin);
    house.people.remove_user(&Identity::ADMIN_TOKEN, "ada", &|_| Ok(()), false).await.unwrap();
    house.put(&Identity::ADMIN_TOKEN, "ada", wanted(Role::Admin)).await.unwrap();
    assert!(matches!(scope().await, Err(Error::Unauthorized(_))), "it has gone with her");
}

#[tokio::test]
async fn a_token_that_makes_tokens_does_not_outlive_itself_in_them() {
    let house = House::new().await;
    let maker = made(&house, &Identity::ADMIN_TOKEN, "maker", Scope::Admin, Some(HOUR)).await.unwrap();
    let by = with_token(&house.people, &maker.secret).await.unwrap();
    for (token, asked) in [("for-ever", None), ("long", Some(10 * HOUR))] {
        let made = made(&house, &by, token, Scope::Admin, asked).await.unwrap();
        assert_eq!(made.shown.token.expires_at, maker.shown.token.expires_at, "{token}");
    }
    let short = made(&house, &by, "short", Scope::Admin, Some(HOUR / 2)).await.unwrap();
    assert!(short.shown.token.expires_at < maker.shown.token.expires_at);
}

#[tokio::test]
async fn a_person_sees_their_own_tokens_and_an_admin_all() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    house.with("vic", Role::Viewer).await;
    let (ada, vic) = (house.sign_in("ada").await, house.sign_in("vic").await);
    let (ada, vic) = (house.who(&ada).await.unwrap(), house.who(&vic).await.unwrap());
    made(&house, &Identity::ADMIN_TOKEN, "nobodys", Scope::Read, None).await.unwrap();
    made(&house, &ada, "adas", Scope::Read, None).await.unwrap();
    made(&house, &vic, "vics", Scope::Read, None).await.unwrap();
    let names = |by| house.people.tokens(by).1.into_iter().map(|shown| shown.name).collect::<Vec<_>>();
    assert_eq!(names(&vic), ["vics"]);
    assert_eq!(names(&ada), ["adas", "nobodys", "vics"]);
    for other in ["adas", "nobodys", "none"] {
        assert!(matches!(house.people.token(&vic, other), Err(Error::UnknownToken { .. })), "{other}");
        let removed = house.people.remove_token(&vic, other, &|_| Ok(()), false).await;
        assert!(matches!(removed, Err(Error::UnknownToken { .. })), "{other}");
    }
    house.people.remove_token(&vic, "vics", &|_| Ok(()), false).await.unwrap();
    house.people.remove_token(&ada, "nobodys", &|_| Ok(()), false).await.unwrap();
}

#[tokio::test]
async fn one_name_is_one_token_and_a_dry_run_makes_none() {
    let house = House::new().await;
    let by = Identity::ADMIN_TOKEN;
    let wanted = TokenWanted { scope: Scope::Read, expires_in: None };
    let dry = house.people.make_token(&by, &name("t"), &wanted, true).await.unwrap();
    assert!(matches!(with_token(&house.people, &dry.secret).await, Err(Error::Unauthorized(_))));
    made(&house, &by, "t", Scope::Read, None).await.unwrap();
    let outcome = made(&house, &by, "t", Scope::Admin, None).await;
    assert!(matches!(outcome, Err(Error::Conflict { .. })), "{outcome:?}");
}

#[tokio::test]
async fn when_a_token_was_used_is_kept_once_a_minute_without_audit_rows() {
    let house = House::new().await;
    let token = made(&house, &Identity::ADMIN_TOKEN, "t", Scope::Read, None).await.unwrap();
    let keeping = tokio::spawn({
        let people = house.people.clone();
        async move { people.keep().await }
    });
    let shown = || house.people.token(&Identity::ADMIN_TOKEN, "t").unwrap();
    assert_eq!(shown().last_used_at, None);
    let before = house.store.list(&[kinds::TOKEN_USE]).await.unwrap().revision;
    let mut watch = house.store.watch(before);
    for _ in 0..100 {
        with_token(&house.people, &token.secret).await.unwrap();
    }
    let first = watch.next().await.unwrap();
    assert_eq!(first.changes[0].kind, kinds::TOKEN_USE);
    assert_eq!(shown().last_used_at, Some(house.clock.now()));
    house.clock.advance(Duration::from_secs(59));
    with_token(&house.people, &token.secret).await.unwrap();
    assert!(shown().last_used_at < Some(house.clock.now()));
    house.clock.advance(Duration::from_secs(1));
    with_token(&house.people, &token.secret).await.unwrap();
    let second = watch.next().await.unwrap();
    assert_eq!(second.revision, first.revision + 1, "no write between");
    keeping.abort();
    let rows = house.store.audit(&AuditQuery { limit: 100, ..AuditQuery::newest() }).await.unwrap();
    assert!(rows.iter().all(|row| row.kind == "token"), "{rows:?}");
    // Another token of that name was not used.
    house.people.remove_token(&Identity::ADMIN_TOKEN, "t", &|_| Ok(()), false).await.unwrap();
    house.clock.advance(Duration::from_secs(1));
    made(&house, &Identity::ADMIN_TOKEN, "t", Scope::Read, None).await.unwrap();
    assert_eq!(shown().last_used_at, None);
}
