use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use tokio::sync::mpsc;
use tonic::Status;

use crate::encoded::Frame;

/// The body of a gRPC response: messages as they come, and the status in the trailers. The body of tonic would copy each message
/// into a buffer of the stream, which stays as large as the largest message was.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    messages: mpsc::Receiver<Result<Frame, Status>>,
    /// The rest of the message that is being sent.
    pieces: vec::IntoIter<Bytes>,
    ended: bool,
}

impl ResponseBody {
    pub(crate) fn new(messages: mpsc::Receiver<Result<Frame, Status>>) -> Self {
        Self { messages, pieces: Vec::new().into_iter(), ended: false }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        loop {
            if let Some(piece) = self.pieces.next() {
                return Poll::Ready(Some(Ok(http_body::Frame::data(piece))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let status = match ready!(self.messages.poll_recv(cx)) {
                Some(Ok(message)) => {
                    self.pieces = message.into_pieces().into_iter();
                    continue;
                }
                Some(Err(status)) => status,
                None => Status::ok(""),
            };
            self.ended = true;
            return Poll::Ready(Some(Ok(http_body::Frame::trailers(trailers(&status)))));
        }
    }
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if let Err(why_not) = status.add_header(&mut trailers) {
        // This status is made by the library and can be written.
        let _ = why_not.add_header(&mut trailers);
    }
    trailers
}

impl IntoResponse for ResponseBody {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/grpc")], Body::new(self)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::google::protobuf::StringValue;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn messages_are_sent_whole_before_the_status() {
        let (sender, messages) = mpsc::channel(4);
        let mut message = Frame::new(&StringValue { value: "own".to_owned() });
        message.fields(&vec![b'x'; 100_000].into());
        let bytes = message.clone().into_pieces().concat();
        sender.send(Ok(message)).await.unwrap();
        sender.send(Err(Status::unavailable("going away"))).await.unwrap();
        let whole = ResponseBody::new(messages).collect().await.unwrap();
        let trailers = whole.trailers().unwrap().clone();
        assert_eq!(whole.to_bytes(), bytes);
        assert_eq!(
            (&trailers["grpc-status"], &trailers["grpc-message"]),
            (&"14".parse().unwrap(), &"going%20away".parse().unwrap())
        );
    }

    #[tokio::test]
    async fn a_stream_that_ends_without_a_status_is_ok() {
        let (sender, messages) = mpsc::channel(1);
        drop(sender);
        let whole = ResponseBody::new(messages).collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
    }
}
