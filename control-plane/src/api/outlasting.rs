//! An answer that outlasts the right to it: live events go on for hours, and a session or a token may end meanwhile.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::header,
    response::Response,
};
use http_body::{Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior, interval};

use slotway_identity::{AuthenticationMethod, Identity, IdentityService};

/// How often it is looked whether they still may.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Ends a stream of events soon after whoever gets it may no longer; other answers stay as they are.
pub(super) fn ends_with_its_right(
    response: Response,
    service: Arc<IdentityService>,
    identity: Identity,
) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let lasts = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !lasts || matches!(identity.method, AuthenticationMethod::Local | AuthenticationMethod::AdminToken) {
        return response;
    }
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    response.map(|body| Body::new(Outlasting { body, look, service, identity }))
}

struct Outlasting {
    body: Body,
    look: Interval,
    service: Arc<IdentityService>,
    identity: Identity,
}

impl HttpBody for Outlasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        while this.look.poll_tick(cx).is_ready() {
            if !this.service.is_still_valid(&this.identity) {
                return Poll::Ready(None);
            }
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{
        body::Body,
        http::header,
        response::{IntoResponse, Response},
    };
    use http_body_util::BodyExt;

    use super::*;
    use slotway_identity::{
        AdminToken, Credentials, IdentityError, IdentitySettings, Role, Scope, TokenRequest, UserUpdate,
    };
    use slotway_runtime::Clock;

    use crate::store::{self, StoreSettings};

    /// An answer that never ends by itself.
    struct Endless;

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            Poll::Pending
        }
    }

    fn unchecked(_: Option<u64>) -> Result<(), IdentityError> {
        Ok(())
    }

    fn events() -> Response {
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::new(Endless)).into_response()
    }

    #[tokio::test]
    async fn live_events_end_with_the_session_or_the_token_that_they_came_by() {
        let directory = tempfile::tempdir().unwrap();
        let store = store::open(&StoreSettings::Sqlite, directory.path(), &crate::kinds::ALL).await.unwrap();
        let admin = AdminToken::load_or_create(&directory.path().join("admin-token")).unwrap();
        let service = IdentityService::open(
            store,
            Arc::new(admin),
            IdentitySettings::default(),
            None,
            Clock::simulated(),
        );
        let service = Arc::new(service.await.unwrap());
        let by = Identity::ADMIN_TOKEN;
        let (ada, token) = ("ada".parse().unwrap(), "t".parse().unwrap());
        let mut wanted =
            UserUpdate { role: Role::Viewer, disabled: false, password: Some("correct horse".into()) };
        service.put_user(&by, &ada, &wanted, unchecked, false).await.unwrap();
        let signed = service.sign_in(None, "ada", "correct horse".into()).await.unwrap();
        let read = TokenRequest { scope: Scope::Read, expires_in: None };
        let issued = service.create_token(&by, &token, &read, false).await.unwrap();
        let session = Credentials { session_id: Some(signed.id.expose()), ..Credentials::default() };
        let session = service.authenticate(session).await.unwrap().unwrap();
        let authorization = format!("Bearer {}", issued.secret);
        let token = Credentials { authorization: Some(authorization.as_bytes()), ..Credentials::default() };
        let token = service.authenticate(token).await.unwrap().unwrap();

        let mut bodies = [session, token]
            .map(|identity| ends_with_its_right(events(), service.clone(), identity).into_body());
        for body in &mut bodies {
            tokio::time::pause();
            assert!(tokio::time::timeout(LOOK_EVERY * 10, body.frame()).await.is_err(), "it goes on");
            tokio::time::resume();
        }
        wanted.disabled = true;
        service.put_user(&by, &ada, &wanted, unchecked, false).await.unwrap();
        service.delete_token(&by, "t", unchecked, false).await.unwrap();
        tokio::time::pause();
        for body in &mut bodies {
            let end = tokio::time::timeout(LOOK_EVERY * 2, body.frame()).await.expect("an end");
            assert!(end.is_none());
        }
    }

    #[tokio::test]
    async fn what_ends_by_itself_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let store = store::open(&StoreSettings::Sqlite, directory.path(), &crate::kinds::ALL).await.unwrap();
        let admin = AdminToken::load_or_create(&directory.path().join("admin-token")).unwrap();
        let service =
            IdentityService::open(store, Arc::new(admin), IdentitySettings::default(), None, Clock::System);
        let service = Arc::new(service.await.unwrap());
        let answer = ends_with_its_right("whole".into_response(), service, Identity::ADMIN_TOKEN);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "whole");
    }
}
