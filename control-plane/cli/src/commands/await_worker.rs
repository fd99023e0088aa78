//! Waits until a worker reaches a state, and prints the progress.

use std::time::Duration;

use slotway_config::WaitDuration;
use tokio::time::{Instant, sleep, timeout};

use super::{client::ApiClient, json_resource::JsonResource, kind::Kind, output::printable};
use crate::commands::CliError;

/// The polling interval.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Polls a worker until `is_settled`, which receives none once the worker is deleted. Prints the number of requests in flight whenever it changes.
///
/// # Errors
/// [`CliError::TooLate`] after `within`, with `not_yet` in its message; otherwise as [`ApiClient::send`].
pub(super) async fn until(
    client: &ApiClient,
    name: &str,
    within: WaitDuration,
    not_yet: &str,
    is_settled: impl Fn(Option<&JsonResource>) -> bool,
) -> Result<(), CliError> {
    let ends = Instant::now() + within.as_duration();
    let mut told = None;
    let late = |in_flight: &str| CliError::TooLate {
        what: format!("worker {} {not_yet} ({in_flight})", printable(name)),
        within_ms: within.as_ms(),
    };
    loop {
        let asked = timeout(
            ends.saturating_duration_since(Instant::now()).max(LOOK_EVERY),
            client.one(Kind::WORKER, name),
        );
        let resource = match asked.await {
            Err(_) => return Err(late(told.as_deref().unwrap_or("no answer"))),
            Ok(Ok(resource)) => Some(resource),
            Ok(Err(CliError::Rejected(rejected))) if rejected.status == 404 => None,
            Ok(Err(error)) => return Err(error),
        };
        if is_settled(resource.as_ref()) {
            return Ok(());
        }
        let in_flight = match resource.as_ref().map(|resource| resource.number("status.in_flight")) {
            Some(Some(1)) => "1 request in flight".to_owned(),
            Some(Some(number)) => format!("{number} requests in flight"),
            Some(None) => "no Envoy reports requests in flight".to_owned(),
            None => {
                return Err(CliError::Usage(format!("worker {} was deleted meanwhile", printable(name))));
            }
        };
        if told.as_ref() != Some(&in_flight) {
            eprintln!("slotway: worker {}: {in_flight}", printable(name));
            told = Some(in_flight.clone());
        }
        if Instant::now() >= ends {
            return Err(late(&in_flight));
        }
        sleep(LOOK_EVERY).await;
    }
}
