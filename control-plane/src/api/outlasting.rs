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
