use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::ConnectInfo,
    http::{Method, Request, request::Parts},
};
use tempfile::TempDir;

use crate::{
    error::Error,
    people::{
        AdminToken, CSRF_HEADER, Clock, Identity, Name, People, PeopleSettings, Role, SESSION_COOKIE, Signed,
        UserWanted,
    },
    store::{self, Store, StoreSettings},
};

pub(super) const PASSWORD: &str = "correct horse";

/// People on a store of their own, with a clock that stands.
pub(super) struct House {
    _directory: TempDir,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) people: Arc<People>,
}

impl House {
    pub(super) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = store::open(&StoreSettings::Sqlite, directory.path(), &crate::kinds::ALL).await.unwrap();
        let clock = Clock::simulated();
        let people = Self::another(&store, &clock).await;
        Self { _directory: directory, store, clock, people }
    }

    /// Another control plane on the same store.
    pub(super) async fn another(store: &Arc<dyn Store>, clock: &Clock) -> Arc<People> {
        let directory = tempfile::tempdir().unwrap();
        let token = AdminToken::load_or_create(&directory.path().join("admin-token")).unwrap();
        let people =
            People::open(Arc::clone(store), Arc::new(token), PeopleSettings::default(), None, clock.clone());
        Arc::new(people.await.unwrap())
    }

    pub(super) async fn put(&self, by: &Identity, user: &str, wanted: UserWanted) -> Result<bool, Error> {
        let put = self.people.put_user(by, &name(user), &wanted, &|_| Ok(()), false).await;
        put.map(|(is_new, _)| is_new)
    }

    pub(super) async fn with(&self, user: &str, role: Role) {
        assert!(self.put(&Identity::ADMIN_TOKEN, user, wanted(role)).await.unwrap());
    }

    pub(super) async fn sign_in(&self, user: &str) -> Signed {
        self.people.sign_in(&from("192.0.2.1"), user, PASSWORD.into()).await.unwrap()
    }

    /// Who somebody with a session is, as the middleware asks.
    pub(super) async fn who(&self, signed: &Signed) -> Result<Identity, Error> {
        with_session(&self.people, signed, Method::GET, None).await
    }
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn wanted(role: Role) -> UserWanted {
    UserWanted { role, disabled: false, password: Some(PASSWORD.into()) }
}

pub(super) fn from(address: &str) -> Parts {
    request(Method::POST, &[], address)
}

pub(super) fn request(method: Method, headers: &[(&str, &str)], address: &str) -> Parts {
    let mut request = Request::builder().method(method).uri("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    parts.extensions.insert(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 1)));
    parts
}

pub(super) async fn with_session(
    people: &People,
    signed: &Signed,
    method: Method,
    csrf: Option<&str>,
) -> Result<Identity, Error> {
    let set = signed.id.cookie(false);
    let (cookie, _) = set.split_once(';').unwrap();
    assert!(cookie.starts_with(SESSION_COOKIE));
    let mut headers = vec![("cookie", cookie)];
    headers.extend(csrf.map(|csrf| (CSRF_HEADER, csrf)));
    Ok(people.identify(&request(method, &headers, "192.0.2.1")).await?.unwrap())
}

pub(super) async fn with_token(people: &People, secret: &str) -> Result<Identity, Error> {
    let authorization = format!("Bearer {secret}");
    let request = request(Method::GET, &[("authorization", &authorization)], "192.0.2.1");
    Ok(people.identify(&request).await?.unwrap())
}
