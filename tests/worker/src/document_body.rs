use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::problem::Problem;

/// The error of an incomplete body. Usually the client has disconnected and does not read the answer.
pub(crate) const BROKEN_OFF: &str = "broken_off";
/// The maximum wait for the next piece of a body.
const PIECE_WAIT: Duration = Duration::from_secs(60);

/// Reads a body of at most `bytes_max` bytes.
///
/// # Errors
/// 413 for a longer body, before it is read if its length is announced; 408 if the client stops sending.
pub(crate) async fn read(headers: &HeaderMap, mut body: Body, bytes_max: u64) -> Result<Vec<u8>, Problem> {
    let too_long = || {
        let detail = format!("the document is longer than {bytes_max} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_long", detail)
    };
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_long());
    }
    // The announced length may be wrong: the buffer grows with the received bytes.
    let mut bytes = Vec::new();
    loop {
        let frame = timeout(PIECE_WAIT, body.frame()).await.map_err(|_| {
            let detail = format!("nothing more of the body came for {} s", PIECE_WAIT.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
        })?;
        let Some(frame) = frame else { return Ok(bytes) };
        let frame = frame.map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, BROKEN_OFF, format!("the body cannot be read: {error}"))
        })?;
        if let Some(piece) = frame.data_ref() {
            if bytes.len() as u64 + piece.len() as u64 > bytes_max {
                return Err(too_long());
            }
            bytes.extend_from_slice(piece);
        }
    }
}
