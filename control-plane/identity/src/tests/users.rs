use slotway_store::{AuditQuery, Batch, Expected, Replicated, Who, Write, to_json};

use super::fixture::{Fixture, name, unchecked, with_password};
use crate::{Field, Identity, IdentityError, Role, USERS_MAX, UserUpdate, kinds::USER, state::IdentityState};

#[tokio::test]
async fn only_the_admin_token_can_demote_or_delete_the_last_admin() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    let ada = fixture.authenticate(&fixture.sign_in("ada").await).await.unwrap();
    let demoted = UserUpdate { role: Role::Viewer, disabled: false, password: None };
    let disabled = UserUpdate { role: Role::Admin, disabled: true, password: None };
    let is_refused = async || {
        for update in [&demoted, &disabled] {
            let outcome = fixture.put(&ada, "ada", update.clone()).await;
            assert!(matches!(outcome, Err(IdentityError::LastAdmin { .. })), "{outcome:?}");
        }
        let outcome = fixture.service.delete_user(&ada, "ada", unchecked, false).await;
        assert!(matches!(outcome, Err(IdentityError::LastAdmin { .. })), "{outcome:?}");
    };
    is_refused().await;
    // A disabled admin does not count.
    fixture.put(&ada, "bob", UserUpdate { disabled: true, ..with_password(Role::Admin) }).await.unwrap();
    is_refused().await;
    fixture.put(&ada, "bob", with_password(Role::Admin)).await.unwrap();
    fixture.put(&ada, "ada", demoted.clone()).await.unwrap();
    assert!(matches!(fixture.put(&ada, "bob", disabled.clone()).await, Err(IdentityError::LastAdmin { .. })));
    fixture.put(&Identity::ADMIN_TOKEN, "bob", disabled).await.unwrap();
}

#[tokio::test]
async fn an_equal_update_and_a_dry_run_change_nothing() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    let revision = fixture.service.user("ada").unwrap().revision;
    let same = UserUpdate { role: Role::Admin, disabled: false, password: None };
    assert!(!fixture.put(&Identity::ADMIN_TOKEN, "ada", same).await.unwrap());
    let by = Identity::ADMIN_TOKEN;
    let dry = fixture
        .service
        .put_user(&by, &name("bob"), &with_password(Role::Viewer), unchecked, true)
        .await
        .unwrap();
    assert!(dry.0 && dry.1.user.role == Role::Viewer);
    let viewer = UserUpdate { role: Role::Viewer, disabled: false, password: None };
    let dry = fixture.service.put_user(&by, &name("ada"), &viewer, unchecked, true).await.unwrap();
    assert!(!dry.0 && dry.1.user.role == Role::Viewer);
    fixture.service.delete_user(&by, "ada", unchecked, true).await.unwrap();
    assert_eq!(fixture.service.user("ada").unwrap().revision, revision);
    assert_eq!(fixture.service.users().1.len(), 1);
}

#[tokio::test]
async fn a_new_user_needs_a_password_and_the_number_of_users_is_limited() {
    let fixture = Fixture::new().await;
    let none = UserUpdate { password: None, ..with_password(Role::Viewer) };
    let outcome = fixture.put(&Identity::ADMIN_TOKEN, "ada", none).await;
    assert!(matches!(&outcome, Err(IdentityError::Invalid { field: Field::Password, .. })), "{outcome:?}");
    fixture.create_user("ada", Role::Viewer).await;
    let user = fixture.service.user("ada").unwrap().user;
    let user = to_json(USER, "ada", &user).unwrap();
    let writes = (1..USERS_MAX)
        .map(|number| Write::put(USER, format!("user-{number}"), user.clone(), Expected::Absent))
        .collect();
    fixture.service.replica.commit(Batch { who: Who::SYSTEM, writes }).await.unwrap();
    let outcome = fixture.put(&Identity::ADMIN_TOKEN, "one-more", with_password(Role::Viewer)).await;
    assert!(matches!(outcome, Err(IdentityError::Conflict { .. })), "{outcome:?}");
}

#[tokio::test]
async fn audit_rows_name_the_author_and_hide_hashes() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    let ada = fixture.authenticate(&fixture.sign_in("ada").await).await.unwrap();
    fixture.put(&ada, "vic", with_password(Role::Viewer)).await.unwrap();
    let rows = fixture.store.audit(&AuditQuery { limit: 100, ..AuditQuery::newest() }).await.unwrap();
    let seen: Vec<_> =
        rows.iter().map(|row| (row.who.as_str(), row.kind.as_str(), row.key.as_str())).collect();
    assert_eq!(seen, [("ada", "user", "vic"), ("admin token", "user", "ada")]);
    let document: serde_json::Value = serde_json::from_str(rows[0].after.as_ref().unwrap()).unwrap();
    assert_eq!((&document["password_hash"], &document["role"]), (&"(hidden)".into(), &"viewer".into()));
}

#[tokio::test]
async fn applying_a_commit_twice_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture.create_user("ada", Role::Admin).await;
    fixture.sign_in("ada").await;
    let mut state = IdentityState::empty();
    for commit in fixture.store.changes(0).await.unwrap() {
        state.apply(&commit).unwrap();
        state.apply(&commit).unwrap();
    }
    let mut listed = IdentityState::empty();
    listed.load(fixture.store.list(IdentityState::KINDS).await.unwrap()).unwrap();
    assert_eq!(format!("{state:?}"), format!("{listed:?}"));
}
