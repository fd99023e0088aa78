//! Several control planes on one store.

use slotway_test_contended_store::ContendedStore;
use std::{sync::Arc, time::Duration};

use axum::http::Method;

use super::house::{House, PASSWORD, from, name, with_session, with_token};
use crate::kinds;
use crate::{
    error::Error,
    people::{Identity, People, Role, Scope, TokenWanted, UserWanted},
    store::{Expected, Store, Who, Write},
};

#[tokio::test]
async fn who_was_let_in_by_one_is_known_to_another_at_once() {
    let house = House::new().await;
    let other = House::another(&house.store, &house.clock).await;
    house.with("ada", Role::Admin).await;
    // Neither follows the store yet: each finds what it does not know.
    let signed = other.sign_in(&from("192.0.2.1"), "ada", PASSWORD.into()).await.unwrap();
    house.who(&signed).await.unwrap();
    let wanted = TokenWanted { scope: Scope::Read, expires_in: None };
    let token = other.make_token(&Identity::ADMIN_TOKEN, &name("t"), &wanted, false).await.unwrap();
    with_token(&house.people, &token.secret).await.unwrap();
}

#[tokio::test]
async fn what_one_takes_away_is_gone_at_another_that_follows() {
    let house = House::new().await;
    let other = House::another(&house.store, &house.clock).await;
    house.with("ada", Role::Admin).await;
    let signed = house.sign_in("ada").await;
    with_session(&other, &signed, Method::GET, None).await.unwrap();
    let following = tokio::spawn({
        let other = other.clone();
        async move { other.keep().await }
    });
    let out = UserWanted { role: Role::Admin, disabled: true, password: None };
    house.put(&Identity::ADMIN_TOKEN, "ada", out).await.unwrap();
    let ended = async {
        while with_session(&other, &signed, Method::GET, None).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the session to end there");
    following.abort();
}

#[tokio::test]
async fn of_two_admins_that_two_control_planes_demote_at_once_one_stays() {
    for _ in 0..10 {
        let house = House::new().await;
        let other = House::another(&house.store, &house.clock).await;
        house.with("ada", Role::Admin).await;
        house.with("bob", Role::Admin).await;
        let ada = house.who(&house.sign_in("ada").await).await.unwrap();
        let viewer = UserWanted { role: Role::Viewer, disabled: false, password: None };
        let demote = async |people: &Arc<People>, user: &str| {
            people.put_user(&ada, &name(user), &viewer, &|_| Ok(()), false).await
        };
        let (one, two) = tokio::join!(demote(&house.people, "ada"), demote(&other, "bob"));
        let refused = |outcome: &Result<_, Error>| matches!(outcome, Err(Error::LastAdmin { .. }));
        assert_ne!(refused(&one), refused(&two), "{one:?} {two:?}");
        assert!(one.is_ok() || two.is_ok());
    }
}

#[tokio::test]
async fn a_change_is_made_anew_on_what_others_wrote_and_given_up_in_the_end() {
    let house = House::new().await;
    let contended = ContendedStore::new(house.store.clone());
    let store: Arc<dyn Store> = contended.clone();
    let people = House::another(&store, &house.clock).await;
    let write = || Write::put(kinds::TOKEN_USE, "t", "0", Expected::Anything);
    let change = async || people.ledger.change(Who::SYSTEM, |_| Ok((vec![write()], ()))).await;
    contended.others_win(3);
    change().await.unwrap();
    assert_eq!(contended.left(), 0);
    contended.others_win(1_000);
    let revision = store.list(&[kinds::TOKEN_USE]).await.unwrap().documents[0].revision;
    assert!(matches!(change().await, Err(Error::Busy)));
    assert!(contended.left() > 0);
    assert_eq!(store.list(&[kinds::TOKEN_USE]).await.unwrap().documents[0].revision, revision);
}
