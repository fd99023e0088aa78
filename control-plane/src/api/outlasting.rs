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

use crate::people::{Identity, Means, People};

/// How often it is looked whether they still may.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Ends a stream of events soon after whoever gets it may no longer; other answers stay as they are.
pub(super) fn ends_with_its_right(response: Response, people: Arc<People>, identity: Identity) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let lasts = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !lasts || matches!(identity.means, Means::Local | Means::AdminToken) {
        return response;
    }
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    response.map(|body| Body::new(Outlasting { body, look, people, identity }))
}

struct Outlasting {
    body: Body,
    look: Interval,
    people: Arc<People>,
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
            if !this.people.still(&this.identity) {
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
        http::{Method, Request, header},
        response::{IntoResponse, Response},
    };
    use http_body_util::BodyExt;

    use super::*;
    use crate::{
        people::{AdminToken, Clock, PeopleSettings, Role, Scope, TokenWanted, UserWanted},
        store::{self, StoreSettings},
    };

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

    fn events() -> Response {
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::new(Endless)).into_response()
    }

    #[tokio::test]
    async fn live_events_end_with_the_session_or_the_token_that_they_came_by() {
        let directory = tempfile::tempdir().unwrap();
        let store = store::open(&StoreSettings::Sqlite, directory.path(), &crate::kinds::ALL).await.unwrap();
        let admin = AdminToken::load_or_create(&directory.path().join("admin-token")).unwrap();
        let people =
            People::open(store, Arc::new(admin), PeopleSettings::default(), None, Clock::simulated());
        let people = Arc::new(people.await.unwrap());
        let by = Identity::ADMIN_TOKEN;
        let (ada, token) = ("ada".parse().unwrap(), "t".parse().unwrap());
        let mut wanted =
            UserWanted { role: Role::Viewer, disabled: false, password: Some("correct horse".into()) };
        people.put_user(&by, &ada, &wanted, &|_| Ok(()), false).await.unwrap();
        let (parts, ()) = Request::new(()).into_parts();
        let signed = people.sign_in(&parts, "ada", "correct horse".into()).await.unwrap();
        let read = TokenWanted { scope: Scope::Read, expires_in: None };
        let made = people.make_token(&by, &token, &read, false).await.unwrap();
        let identity = async |header: &str, value: String| {
            let request = Request::builder().method(Method::GET).header(header, value).body(()).unwrap();
            people.identify(&request.into_parts().0).await.unwrap().unwrap()
        };
        let cookie = signed.id.cookie(false).split(';').next().unwrap().to_owned();
        let session = identity("cookie", cookie).await;
        let token = identity("authorization", format!("Bearer {}", made.secret)).await;

        let mut bodies = [session, token]
            .map(|identity| ends_with_its_right(events(), people.clone(), identity).into_body());
        for body in &mut bodies {
            tokio::time::pause();
            assert!(tokio::time::timeout(LOOK_EVERY * 10, body.frame()).await.is_err(), "it goes on");
            tokio::time::resume();
        }
        wanted.disabled = true;
        people.put_user(&by, &ada, &wanted, &|_| Ok(()), false).await.unwrap();
        people.remove_token(&by, "t", &|_| Ok(()), false).await.unwrap();
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
        let people = People::open(store, Arc::new(admin), PeopleSettings::default(), None, Clock::System);
        let people = Arc::new(people.await.unwrap());
        let answer = ends_with_its_right("whole".into_response(), people, Identity::ADMIN_TOKEN);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "whole");
    }
}
