//! Several control planes on one store.

use std::{sync::Arc, time::Duration};

use slotway_store::{Store, StoreError};
use slotway_test_contended_store::ContendedStore;

use super::fixture::{CLIENT, Fixture, PASSWORD, authenticate_session, authenticate_token, name, unchecked};
use crate::{Identity, IdentityError, IdentityService, Role, Scope, TokenRequest, UserUpdate, kinds::TOKEN};

#[tokio::test]
async fn a_session_or_token_of_one_control_plane_is_valid_at_another_at_once() {
    let fixture = Fixture::new().await;
    let other = Fixture::another(&fixture.store, &fixture.clock).await;
    fixture.create_user("ada", Role::Admin).await;
    // Neither service follows the store yet: each reads it for an unknown name.
    let session = other.sign_in(CLIENT, "ada", PASSWORD.into()).await.unwrap();
    fixture.authenticate(&session).await.unwrap();
    let request = TokenRequest { scope: Scope::Read, expires_in: None };
    let token = other.create_token(&Identity::ADMIN_TOKEN, &name("t"), &request, false).await.unwrap();
    authenticate_token(&fixture.service, &token.secret).await.unwrap();
}

#[tokio::test]
async fn a_session_that_one_control_plane_ends_is_ended_at_another_that_follows() {
    let fixture = Fixture::new().await;
    let other = Fixture::another(&fixture.store, &fixture.clock).await;
    fixture.create_user("ada", Role::Admin).await;
    let session = fixture.sign_in("ada").await;
    authenticate_session(&other, &session).await.unwrap();
    let following = tokio::spawn({
        let other = other.clone();
        async move { other.run().await }
    });
    let disabled = UserUpdate { role: Role::Admin, disabled: true, password: None };
    fixture.put(&Identity::ADMIN_TOKEN, "ada", disabled).await.unwrap();
    let ended = async {
        while authenticate_session(&other, &session).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the session to end there");
    following.abort();
}

#[tokio::test]
async fn of_two_admins_demoted_at_two_control_planes_at_once_one_stays() {
    for _ in 0..10 {
        let fixture = Fixture::new().await;
        let other = Fixture::another(&fixture.store, &fixture.clock).await;
        fixture.create_user("ada", Role::Admin).await;
        fixture.create_user("bob", Role::Admin).await;
        let ada = fixture.authenticate(&fixture.sign_in("ada").await).await.unwrap();
        let viewer = UserUpdate { role: Role::Viewer, disabled: false, password: None };
        let demote = async |service: &IdentityService, user: &str| {
            service.put_user(&ada, &name(user), &viewer, unchecked, false).await
        };
        let (one, two) = tokio::join!(demote(&fixture.service, "ada"), demote(&other, "bob"));
        let refused =
            |outcome: &Result<_, IdentityError>| matches!(outcome, Err(IdentityError::LastAdmin { .. }));
        assert_ne!(refused(&one), refused(&two), "{one:?} {two:?}");
        assert!(one.is_ok() || two.is_ok());
    }
}

#[tokio::test]
async fn a_change_is_retried_after_conflicts_and_fails_after_too_many() {
    let fixture = Fixture::new().await;
    let contended = ContendedStore::new(fixture.store.clone());
    let store: Arc<dyn Store> = contended.clone();
    let service = Fixture::another(&store, &fixture.clock).await;
    let request = TokenRequest { scope: Scope::Read, expires_in: None };
    let create =
        async |token: &str| service.create_token(&Identity::ADMIN_TOKEN, &name(token), &request, false).await;
    contended.others_win(3);
    create("one").await.unwrap();
    assert_eq!(contended.left(), 0);
    contended.others_win(1_000);
    let outcome = create("two").await;
    assert!(matches!(outcome, Err(IdentityError::Store(StoreError::Contended))), "{outcome:?}");
    assert!(contended.left() > 0);
    let tokens = store.list(&[TOKEN]).await.unwrap().documents;
    assert_eq!(tokens.iter().map(|token| token.key.as_str()).collect::<Vec<_>>(), ["one"]);
}
