use std::net::SocketAddr;

use axum::{
    body::Bytes,
    http::{Request, StatusCode, header},
};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

use crate::{fixture::Fixture, scripted_envoy::soon};

/// A listener to events.
pub(crate) struct Listening {
    body: Incoming,
    text: String,
    /// The last received `id`.
    pub(crate) last_id: Option<u64>,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReceivedEvent {
    pub(crate) event: String,
    pub(crate) id: Option<u64>,
    pub(crate) data: Value,
}

impl Listening {
    /// Begins to listen.
    pub(crate) async fn to(fixture: &Fixture, query: &str, last_id: Option<u64>) -> Self {
        Self::with(fixture.control_plane.api, query, last_id, None).await.unwrap()
    }

    /// Like [`Self::to`], but returns the status of a refusal.
    pub(crate) async fn with(
        api: SocketAddr,
        query: &str,
        last_id: Option<u64>,
        authorization: Option<&str>,
    ) -> Result<Self, StatusCode> {
        let mut request = Request::get(format!("http://{api}/api/v1/events?{query}"));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        // A separate client, and so a separate connection.
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = soon(client.request(request)).await.unwrap();
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        Ok(Self { body: response.into_body(), text: String::new(), last_id: None })
    }

    /// Waits for the next event; none at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<ReceivedEvent> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                let id = field("id: ").map(|id| id.parse().unwrap());
                self.last_id = id.or(self.last_id);
                let heard = field("event: ").map(|event| ReceivedEvent {
                    event: event.to_owned(),
                    id,
                    data: serde_json::from_str(field("data: ").unwrap()).unwrap(),
                });
                self.text = rest.to_owned();
                if heard.is_some() {
                    return heard;
                }
            }
            let frame = soon(self.body.frame()).await?;
            let Ok(frame) = frame else { return None };
            if let Ok(data) = frame.into_data() {
                self.text.push_str(std::str::from_utf8(&data).unwrap());
            }
        }
    }

    /// Waits for the next event with this name, and returns its data. Skips others.
    pub(crate) async fn next_of(&mut self, event: &str) -> Value {
        self.next_event(event).await.data
    }

    /// Waits for the next event with this name. Skips others.
    pub(crate) async fn next_event(&mut self, event: &str) -> ReceivedEvent {
        loop {
            let heard = self.next().await.expect("the stream has ended");
            if heard.event == event {
                return heard;
            }
        }
    }
}
