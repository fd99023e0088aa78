use std::time::Duration;

use slotway_store::AuditQuery;

use super::fixture::{Fixture, STORED_KINDS, authenticate_token, name, unchecked, with_password};
use crate::{
    Identity, IdentityError, IssuedToken, Role, Scope, TokenRequest, UserUpdate, kinds::TOKEN_USE, secret,
};

const HOUR: Duration = Duration::from_secs(3_600);

async fn create(
    fixture: &Fixture,
    by: &Identity,
    token: &str,
    scope: Scope,
    expires_in: Option<Duration>,
) -> Result<IssuedToken, IdentityError> {
    fixture.service.create_token(by, &name(token), &TokenRequest { scope, expires_in }, false).await
}

#[tokio::test]
async fn a_token_authenticates_by_its_secret_which_is_not_stored() {
    let fixture = Fixture::new().await;
    let token = create(&fixture, &Identity::ADMIN_TOKEN, "autoscaler", Scope::Workers, None).await.unwrap();
    assert_eq!(token.secret.len(), "slotway_".len() + 43);
    let identity = authenticate_token(&fixture.service, &token.secret).await.unwrap();
    assert_eq!((identity.who.as_str(), identity.scope), ("token autoscaler", Scope::Workers));
    let short = &token.secret[..token.secret.len() - 1];
    for wrong in
        [short, "slotway_", &format!("{}x", token.secret), &token.secret.to_uppercase(), "slotway_\u{fc}"]
    {
        assert!(
            matches!(
                authenticate_token(&fixture.service, wrong).await,
                Err(IdentityError::InvalidCredentials(_))
            ),
            "{wrong}"
        );
    }
    let listing = fixture.store.list(STORED_KINDS).await.unwrap();
    let rows = fixture.store.audit(&AuditQuery { limit: 100, ..AuditQuery::newest() }).await.unwrap();
    let hash = secret::hash(&token.secret);
    assert!(format!("{listing:?}").contains(&hash));
    assert!(!format!("{listing:?} {rows:?} {token:?}").contains(&token.secret[8..]));
    assert!(!format!("{rows:?}").contains(&hash));
    fixture.service.delete_token(&Identity::ADMIN_TOKEN, "autoscaler", unchecked, false).await.unwrap();
    assert!(matches!(
        authenticate_token(&fixture.service, &token.secret).await,
        Err(IdentityError::InvalidCredentials(_))
    ));
}

#[tokio::test]
async fn a_token_expires() {
    let fixture = Fixture::new().await;
    let token = create(&fixture, &Identity::ADMIN_TOKEN, "t", Scope::Read, Some(HOUR)).await.unwrap();
    fixture.clock.advance(HOUR - Duration::from_millis(1));
    authenticate_token(&fixture.service, &token.secret).await.unwrap();
    fixture.clock.advance(Duration::from_millis(1));
    let outcome = authenticate_token(&fixture.service, &token.secret).await;
    assert!(
        matches!(outcome, Err(IdentityError::InvalidCredentials(why)) if why.contains("expired")),
        "{outcome:?}"
    );
    assert!(fixture.service.token(&Identity::ADMIN_TOKEN, "t").unwrap().is_refused);
}

#[tokio::test]
async fn the_scope_of_a_token_is_limited_by_the_present_scope_of_its_owner() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    fixture.create_user("vic", Role::Viewer).await;
    let (ada, vic) = (fixture.sign_in("ada").await, fixture.sign_in("vic").await);
    let (ada, vic) = (fixture.authenticate(&ada).await.unwrap(), fixture.authenticate(&vic).await.unwrap());
    for scope in [Scope::Workers, Scope::Admin] {
        let outcome = create(&fixture, &vic, "t", scope, None).await;
        assert!(matches!(outcome, Err(IdentityError::Forbidden { .. })), "{outcome:?}");
    }
    create(&fixture, &vic, "vics", Scope::Read, None).await.unwrap();
    let adas = create(&fixture, &ada, "adas", Scope::Admin, None).await.unwrap();
    let scope =
        async || authenticate_token(&fixture.service, &adas.secret).await.map(|identity| identity.scope);
    assert_eq!(scope().await.unwrap(), Scope::Admin);
    let put = async |role, disabled| {
        let wanted = UserUpdate { role, disabled, password: None };
        fixture.put(&Identity::ADMIN_TOKEN, "ada", wanted).await.unwrap();
    };
    put(Role::Viewer, false).await;
    assert_eq!(scope().await.unwrap(), Scope::Read);
    put(Role::Admin, true).await;
    assert!(matches!(scope().await, Err(IdentityError::InvalidCredentials(_))));
    put(Role::Admin, false).await;
    assert_eq!(scope().await.unwrap(), Scope::Admin);
    fixture.service.delete_user(&Identity::ADMIN_TOKEN, "ada", unchecked, false).await.unwrap();
    fixture.put(&Identity::ADMIN_TOKEN, "ada", with_password(Role::Admin)).await.unwrap();
    assert!(matches!(scope().await, Err(IdentityError::InvalidCredentials(_))), "it has gone with her");
}

#[tokio::test]
async fn a_token_that_creates_tokens_limits_their_lifetime_to_its_own() {
    let fixture = Fixture::new().await;
    let maker = create(&fixture, &Identity::ADMIN_TOKEN, "maker", Scope::Admin, Some(HOUR)).await.unwrap();
    let by = authenticate_token(&fixture.service, &maker.secret).await.unwrap();
    for (token, asked) in [("for-ever", None), ("long", Some(10 * HOUR))] {
        let issued = create(&fixture, &by, token, Scope::Admin, asked).await.unwrap();
        assert_eq!(issued.view.token.expires_at, maker.view.token.expires_at, "{token}");
    }
    let short = create(&fixture, &by, "short", Scope::Admin, Some(HOUR / 2)).await.unwrap();
    assert!(short.view.token.expires_at < maker.view.token.expires_at);
}

#[tokio::test]
async fn a_user_sees_their_own_tokens_and_an_admin_all() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    fixture.create_user("vic", Role::Viewer).await;
    let (ada, vic) = (fixture.sign_in("ada").await, fixture.sign_in("vic").await);
    let (ada, vic) = (fixture.authenticate(&ada).await.unwrap(), fixture.authenticate(&vic).await.unwrap());
    create(&fixture, &Identity::ADMIN_TOKEN, "unowned", Scope::Read, None).await.unwrap();
    create(&fixture, &ada, "adas", Scope::Read, None).await.unwrap();
    create(&fixture, &vic, "vics", Scope::Read, None).await.unwrap();
    let names = |by| fixture.service.tokens(by).1.into_iter().map(|view| view.name).collect::<Vec<_>>();
    assert_eq!(names(&vic), ["vics"]);
    assert_eq!(names(&ada), ["adas", "unowned", "vics"]);
    for other in ["adas", "unowned", "none"] {
        assert!(
            matches!(fixture.service.token(&vic, other), Err(IdentityError::UnknownToken { .. })),
            "{other}"
        );
        let removed = fixture.service.delete_token(&vic, other, unchecked, false).await;
        assert!(matches!(removed, Err(IdentityError::UnknownToken { .. })), "{other}");
    }
    fixture.service.delete_token(&vic, "vics", unchecked, false).await.unwrap();
    fixture.service.delete_token(&ada, "unowned", unchecked, false).await.unwrap();
}

#[tokio::test]
async fn a_token_name_is_unique_and_a_dry_run_creates_no_token() {
    let fixture = Fixture::new().await;
    let by = Identity::ADMIN_TOKEN;
    let wanted = TokenRequest { scope: Scope::Read, expires_in: None };
    let dry = fixture.service.create_token(&by, &name("t"), &wanted, true).await.unwrap();
    assert!(matches!(
        authenticate_token(&fixture.service, &dry.secret).await,
        Err(IdentityError::InvalidCredentials(_))
    ));
    create(&fixture, &by, "t", Scope::Read, None).await.unwrap();
    let outcome = create(&fixture, &by, "t", Scope::Admin, None).await;
    assert!(matches!(outcome, Err(IdentityError::Conflict { .. })), "{outcome:?}");
}

#[tokio::test]
async fn the_last_use_of_a_token_is_stored_once_a_minute_without_audit_rows() {
    let fixture = Fixture::new().await;
    let token = create(&fixture, &Identity::ADMIN_TOKEN, "t", Scope::Read, None).await.unwrap();
    let running = tokio::spawn({
        let service = fixture.service.clone();
        async move { service.run().await }
    });
    let view = || fixture.service.token(&Identity::ADMIN_TOKEN, "t").unwrap();
    assert_eq!(view().last_used_at, None);
    let before = fixture.store.list(&[TOKEN_USE]).await.unwrap().revision;
    let mut watch = fixture.store.watch(before);
    for _ in 0..100 {
        authenticate_token(&fixture.service, &token.secret).await.unwrap();
    }
    let first = watch.next().await.unwrap();
    assert_eq!(first.changes[0].kind, TOKEN_USE);
    assert_eq!(view().last_used_at, Some(fixture.clock.now()));
    fixture.clock.advance(Duration::from_secs(59));
    authenticate_token(&fixture.service, &token.secret).await.unwrap();
    assert!(view().last_used_at < Some(fixture.clock.now()));
    fixture.clock.advance(Duration::from_secs(1));
    authenticate_token(&fixture.service, &token.secret).await.unwrap();
    let second = watch.next().await.unwrap();
    assert_eq!(second.revision, first.revision + 1, "no write between");
    running.abort();
    let rows = fixture.store.audit(&AuditQuery { limit: 100, ..AuditQuery::newest() }).await.unwrap();
    assert!(rows.iter().all(|row| row.kind == "token"), "{rows:?}");
    // Another token of that name was not used.
    fixture.service.delete_token(&Identity::ADMIN_TOKEN, "t", unchecked, false).await.unwrap();
    fixture.clock.advance(Duration::from_secs(1));
    create(&fixture, &Identity::ADMIN_TOKEN, "t", Scope::Read, None).await.unwrap();
    assert_eq!(view().last_used_at, None);
}
