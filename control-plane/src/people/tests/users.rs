use super::house::{House, name, wanted};
use crate::kinds;
use crate::{
    error::Error,
    people::{Identity, Role, USERS_MAX, UserWanted, ledger, register},
    store::{AuditQuery, Batch, Expected, Who},
};

#[tokio::test]
async fn the_last_admin_stays_one_unless_the_admin_token_says_so() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    let ada = house.who(&house.sign_in("ada").await).await.unwrap();
    let demoted = UserWanted { role: Role::Viewer, disabled: false, password: None };
    let out = UserWanted { role: Role::Admin, disabled: true, password: None };
    let is_refused = async || {
        for wanted in [&demoted, &out] {
            let outcome = house.put(&ada, "ada", wanted.clone()).await;
            assert!(matches!(outcome, Err(Error::LastAdmin { .. })), "{outcome:?}");
        }
        let outcome = house.people.remove_user(&ada, "ada", &|_| Ok(()), false).await;
        assert!(matches!(outcome, Err(Error::LastAdmin { .. })), "{outcome:?}");
    };
    is_refused().await;
    // One who cannot come in is none.
    house.put(&ada, "bob", UserWanted { disabled: true, ..wanted(Role::Admin) }).await.unwrap();
    is_refused().await;
    house.put(&ada, "bob", wanted(Role::Admin)).await.unwrap();
    house.put(&ada, "ada", demoted.clone()).await.unwrap();
    assert!(matches!(house.put(&ada, "bob", out.clone()).await, Err(Error::LastAdmin { .. })));
    house.put(&Identity::ADMIN_TOKEN, "bob", out).await.unwrap();
}

#[tokio::test]
async fn what_is_as_it_was_is_no_change_and_a_dry_run_changes_nothing() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    let revision = house.people.user("ada").unwrap().revision;
    let same = UserWanted { role: Role::Admin, disabled: false, password: None };
    assert!(!house.put(&Identity::ADMIN_TOKEN, "ada", same).await.unwrap());
    let by = Identity::ADMIN_TOKEN;
    let dry =
        house.people.put_user(&by, &name("bob"), &wanted(Role::Viewer), &|_| Ok(()), true).await.unwrap();
    assert!(dry.0 && dry.1.user.role == Role::Viewer);
    let viewer = UserWanted { role: Role::Viewer, disabled: false, password: None };
    let dry = house.people.put_user(&by, &name("ada"), &viewer, &|_| Ok(()), true).await.unwrap();
    assert!(!dry.0 && dry.1.user.role == Role::Viewer);
    house.people.remove_user(&by, "ada", &|_| Ok(()), true).await.unwrap();
    assert_eq!(house.people.user("ada").unwrap().revision, revision);
    assert_eq!(house.people.users().1.len(), 1);
}

#[tokio::test]
async fn a_new_user_needs_a_password_and_there_is_room_for_so_many() {
    let house = House::new().await;
    let none = UserWanted { password: None, ..wanted(Role::Viewer) };
    let outcome = house.put(&Identity::ADMIN_TOKEN, "ada", none).await;
    assert!(
        matches!(&outcome, Err(Error::BadBody { field: Some(field), .. }) if field == "spec.password"),
        "{outcome:?}"
    );
    house.with("ada", Role::Viewer).await;
    let user = house.people.user("ada").unwrap().user;
    let writes = (1..USERS_MAX)
        .map(|number| ledger::put(kinds::USER, format!("user-{number}"), &user, Expected::Absent).unwrap())
        .collect();
    house.people.ledger.commit(Batch { who: Who::SYSTEM, writes }).await.unwrap();
    let outcome = house.put(&Identity::ADMIN_TOKEN, "one-more", wanted(Role::Viewer)).await;
    assert!(matches!(outcome, Err(Error::Conflict { .. })), "{outcome:?}");
}

#[tokio::test]
async fn audit_rows_say_who_changed_whom_and_hide_hashes() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    let ada = house.who(&house.sign_in("ada").await).await.unwrap();
    house.put(&ada, "vic", wanted(Role::Viewer)).await.unwrap();
    let rows = house.store.audit(&AuditQuery { limit: 100, ..AuditQuery::newest() }).await.unwrap();
    let seen: Vec<_> =
        rows.iter().map(|row| (row.who.as_str(), row.kind.as_str(), row.key.as_str())).collect();
    assert_eq!(seen, [("ada", "user", "vic"), ("admin token", "user", "ada")]);
    let document: serde_json::Value = serde_json::from_str(rows[0].after.as_ref().unwrap()).unwrap();
    assert_eq!((&document["password_hash"], &document["role"]), (&"(hidden)".into(), &"viewer".into()));
}

#[tokio::test]
async fn what_another_writes_is_in_the_register_once() {
    let house = House::new().await;
    house.with("ada", Role::Admin).await;
    let commits = house.store.changes(0).await.unwrap();
    let mut register = register::Register::default();
    for commit in commits.iter().chain(&commits) {
        register.apply(commit).unwrap();
    }
    let listed = register::Register::of(house.store.list(&register::KINDS).await.unwrap()).unwrap();
    assert_eq!((register.revision, register.turn), (listed.revision, listed.turn));
    assert_eq!(register.users, listed.users);
}
