use std::{net::IpAddr, sync::Arc};

use slotway_runtime::Clock;
use slotway_store::{self as store, Kind, Replicated, Store, StoreSettings};
use tempfile::TempDir;

use crate::{
    ActiveSession, AdminToken, Credentials, Identity, IdentityError, IdentityService, IdentitySettings, Name,
    Role, UserUpdate, state::IdentityState,
};

pub(super) const PASSWORD: &str = "correct horse";
/// The kinds of the test store.
pub(super) const STORED_KINDS: &[Kind] = IdentityState::KINDS;
/// The address of a client.
pub(super) const CLIENT: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

/// An identity service with a store of its own and a simulated clock.
pub(super) struct Fixture {
    _directory: TempDir,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) service: Arc<IdentityService>,
}

impl Fixture {
    pub(super) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = store::open(&StoreSettings::Sqlite, directory.path(), STORED_KINDS).await.unwrap();
        let clock = Clock::simulated();
        let service = Self::another(&store, &clock).await;
        Self { _directory: directory, store, clock, service }
    }

    /// Opens the service of another control plane on the same store.
    pub(super) async fn another(store: &Arc<dyn Store>, clock: &Clock) -> Arc<IdentityService> {
        let directory = tempfile::tempdir().unwrap();
        let token = Arc::new(AdminToken::load_or_create(&directory.path().join("admin-token")).unwrap());
        let settings = IdentitySettings::default();
        let service = IdentityService::open(Arc::clone(store), token, settings, None, clock.clone());
        Arc::new(service.await.unwrap())
    }

    pub(super) async fn put(
        &self,
        by: &Identity,
        user: &str,
        update: UserUpdate,
    ) -> Result<bool, IdentityError> {
        let put = self.service.put_user(by, &name(user), &update, unchecked, false).await;
        put.map(|(is_new, _)| is_new)
    }

    pub(super) async fn create_user(&self, user: &str, role: Role) {
        assert!(self.put(&Identity::ADMIN_TOKEN, user, with_password(role)).await.unwrap());
    }

    pub(super) async fn sign_in(&self, user: &str) -> ActiveSession {
        self.service.sign_in(CLIENT, user, PASSWORD.into()).await.unwrap()
    }

    /// Authenticates a request that changes nothing.
    pub(super) async fn authenticate(&self, session: &ActiveSession) -> Result<Identity, IdentityError> {
        authenticate_session(&self.service, session).await
    }
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Accepts every revision.
pub(super) fn unchecked(_: Option<u64>) -> Result<(), IdentityError> {
    Ok(())
}

pub(super) fn with_password(role: Role) -> UserUpdate {
    UserUpdate { role, disabled: false, password: Some(PASSWORD.into()) }
}

pub(super) async fn authenticate_session(
    service: &IdentityService,
    session: &ActiveSession,
) -> Result<Identity, IdentityError> {
    let credentials = Credentials { session_id: Some(session.id.expose()), ..Credentials::default() };
    Ok(service.authenticate(credentials).await?.unwrap())
}

pub(super) async fn authenticate_token(
    service: &IdentityService,
    secret: &str,
) -> Result<Identity, IdentityError> {
    let authorization = format!("Bearer {secret}");
    let credentials = Credentials { authorization: Some(authorization.as_bytes()), ..Credentials::default() };
    Ok(service.authenticate(credentials).await?.unwrap())
}
