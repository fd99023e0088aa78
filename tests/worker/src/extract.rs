use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::time::{sleep, timeout};

use crate::{
    AnnotatedDocument, Annotator, MENTIONS_TYPE, Outcome, Stats, answer, document_body,
    pool::{Pool, QueueFull},
    problem::Problem,
    query::parameter,
    read_html,
};

/// The maximum `timeout` of a request, in milliseconds: an hour.
pub const TIMEOUT_MS_MAX: u64 = 3_600_000;
/// The maximum length of a document that is annotated on its request's thread. A longer one is annotated on a separate
/// thread, so that it does not delay others. Annotating this length takes well under a millisecond.
const INLINE_BYTES_MAX: usize = 16 * 1_024;

/// The dependencies of an extraction.
#[derive(Debug)]
pub(crate) struct Extractor {
    pub(crate) annotator: Arc<Annotator>,
    pub(crate) pool: Pool,
    pub(crate) stats: Stats,
    pub(crate) delay: Duration,
    pub(crate) body_bytes_max: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Markup {
    Plain,
    Html,
}

/// Handles `POST /extract` and `GET /extract?text=`. The request stops counting before its answer is sent.
pub(crate) async fn extract(State(extractor): State<Arc<Extractor>>, request: Request) -> Response {
    let visit = extractor.stats.enter();
    let (outcome, response) = match extractor.answer(request).await {
        Ok(json) => {
            let content_type = HeaderValue::from_static(MENTIONS_TYPE);
            (Outcome::Answered, ([(header::CONTENT_TYPE, content_type)], json).into_response())
        }
        Err(problem) => {
            let outcome = match problem.reason {
                TIMED_OUT => Outcome::TimedOut,
                document_body::BROKEN_OFF => Outcome::Abandoned,
                _ => Outcome::Refused,
            };
            (outcome, problem.into_response())
        }
    };
    visit.end(outcome);
    response
}

const TIMED_OUT: &str = "timeout";

impl Extractor {
    async fn answer(&self, request: Request) -> Result<Vec<u8>, Problem> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default();
        let limit = time_limit(query)?;
        let (text, markup) = if parts.method == Method::POST {
            self.posted(&parts.headers, body).await?
        } else {
            let text = parameter(query, "text")?.ok_or_else(|| {
                let detail =
                    "give the text to annotate, percent-encoded, as in /extract?text=Hello%20London!";
                Problem::new(StatusCode::BAD_REQUEST, "missing_text", detail)
            })?;
            (text, Markup::Plain)
        };
        match limit {
            None => self.annotate(text, markup).await,
            Some(limit) => timeout(limit, self.annotate(text, markup)).await.unwrap_or_else(|_| {
                let detail = format!(
                    "the annotation, with its time in the worker's queue, did not end within the {} ms that the \
                     request allowed (parameter timeout)",
                    limit.as_millis()
                );
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, TIMED_OUT, detail))
            }),
        }
    }

    async fn posted(&self, headers: &HeaderMap, body: Body) -> Result<(String, Markup), Problem> {
        let markup = markup(headers)?;
        let bytes = document_body::read(headers, body, self.body_bytes_max).await?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Problem::new(StatusCode::BAD_REQUEST, "not_utf8", format!("the text is not UTF-8 at byte {at}"))
        })?;
        Ok((text, markup))
    }

    /// Annotates within the worker's own capacity. If the future is dropped in the queue or during the delay, its
    /// permit is released at once; a long document that is being searched releases it after the search.
    async fn annotate(&self, text: String, markup: Markup) -> Result<Vec<u8>, Problem> {
        let permit = self.pool.acquire().await.map_err(|QueueFull| {
            let detail = "too many requests wait inside this worker already; try again later";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", detail)
        })?;
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
        let annotator = Arc::clone(&self.annotator);
        let is_short = text.len() <= INLINE_BYTES_MAX;
        let annotate = move || {
            let document = match markup {
                Markup::Plain => AnnotatedDocument::plain(&text),
                Markup::Html => read_html(&text),
            };
            let json = answer::to_json(&annotator.annotate(&document));
            drop(permit);
            json
        };
        let json = if is_short { Ok(annotate()) } else { tokio::task::spawn_blocking(annotate).await };
        match json {
            Ok(Ok(json)) => Ok(json),
            Ok(Err(error)) => Err(internal(error.to_string())),
            Err(error) => Err(internal(error.to_string())),
        }
    }
}

fn internal(detail: String) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", format!("the annotation failed: {detail}"))
}

/// Returns the parameter `timeout`: the time limit of one annotation, including its time in the worker's queue and the
/// delay.
fn time_limit(query: &str) -> Result<Option<Duration>, Problem> {
    let Some(given) = parameter(query, "timeout")? else { return Ok(None) };
    let ms = given.parse::<u64>().ok().filter(|ms| (1..=TIMEOUT_MS_MAX).contains(ms));
    let ms = ms.ok_or_else(|| {
        let detail = format!("timeout must be a whole number of milliseconds from 1 to {TIMEOUT_MS_MAX}");
        Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", detail)
    })?;
    Ok(Some(Duration::from_millis(ms)))
}

/// Returns the kind of body according to the headers.
fn markup(headers: &HeaderMap) -> Result<Markup, Problem> {
    let unsupported =
        |detail: &'static str| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_type", detail);
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(unsupported("send the text without a content-encoding"));
    }
    let content_type =
        headers.get(header::CONTENT_TYPE).map_or(Ok(""), HeaderValue::to_str).unwrap_or_default();
    let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
    let markup = match parts.next().as_deref() {
        Some("text/plain") => Markup::Plain,
        Some("text/html") => Markup::Html,
        _ => return Err(unsupported("send the text as text/plain or text/html (header content-type)")),
    };
    for charset in parts.filter_map(|part| part.strip_prefix("charset=").map(str::to_owned)) {
        if !["utf-8", "utf8", "us-ascii"].contains(&charset.trim_matches('"')) {
            return Err(unsupported("send the text in UTF-8"));
        }
    }
    Ok(markup)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markup_of(content_type: &'static str) -> Result<Markup, Problem> {
        markup(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]))
    }

    #[test]
    fn plain_text_and_html_in_utf8_are_supported() {
        assert_eq!(markup_of("text/plain"), Ok(Markup::Plain));
        assert_eq!(markup_of("Text/HTML; charset=\"UTF-8\""), Ok(Markup::Html));
        assert_eq!(markup_of("text/plain;charset=us-ascii; format=flowed"), Ok(Markup::Plain));
        for other in ["", "text", "text/plainer", "application/json", "text/plain; charset=iso-8859-1"] {
            assert_eq!(markup_of(other).unwrap_err().status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{other}");
        }
        assert!(markup(&HeaderMap::new()).is_err());
    }

    #[test]
    fn a_timeout_is_a_positive_number_of_milliseconds() {
        assert_eq!(time_limit("timeout=250").unwrap(), Some(Duration::from_millis(250)));
        assert_eq!(time_limit("text=x").unwrap(), None);
        for bad in ["timeout=", "timeout=0", "timeout=-1", "timeout=1.5", "timeout=1s", "timeout=3600001"] {
            assert!(time_limit(bad).is_err(), "{bad}");
        }
    }
}
