//! Keeps a view of some kinds of resources up to date: by events, or by polling where events are not available.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use slotway_runtime::http::HttpStream;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    client::{ApiClient, ApiRequest},
    json_resource::JsonResource,
    kind::Kind,
    server_events::{ServerEvent, ServerEvents},
};
use crate::commands::CliError;

/// A stream that is silent for this long is lost: the control plane sends a comment every 15 s.
const SILENT_MAX: Duration = Duration::from_secs(45);
/// The polling interval.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// The number of polls before events are tried again.
const ASKED_UNTIL_EVENTS: u32 = 10;
/// The largest number of updates that wait for the receiver; then the stream waits, too.
const UPDATES_MAX: usize = 64;

/// A message to the receiver.
#[derive(Debug)]
pub(super) enum Update {
    /// These resources changed. The first message has all of them.
    Changed(Vec<Change>),
    /// The control plane cannot be reached; it is tried again.
    Lost(CliError),
    /// The control plane refused; no message follows.
    Failed(CliError),
}

/// A change of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The resource after the change; none if it was deleted.
    pub(super) now: Option<JsonResource>,
}

impl Change {
    /// Returns the change to this resource.
    pub(super) fn of(kind: Kind, resource: JsonResource) -> Self {
        Self { kind, name: resource.name().to_owned(), now: Some(resource) }
    }
}

/// The state of the follower.
struct Live {
    client: ApiClient,
    kinds: Vec<Kind>,
    /// The query that selects among the resources.
    fields: Vec<(String, String)>,
    view: BTreeMap<(Kind, String), JsonResource>,
    updates: mpsc::Sender<Update>,
}

/// The reason for which a stream of events has ended.
enum Ended {
    /// The receiver is dropped.
    Unwanted,
    /// Events are not available; poll instead.
    NoEvents,
    /// The connection failed.
    Broken(CliError),
}

/// Follows these kinds until the receiver is dropped. `fields` select among them, as in a query.
pub(super) fn follow(
    client: ApiClient,
    kinds: Vec<Kind>,
    fields: Vec<(String, String)>,
) -> mpsc::Receiver<Update> {
    let (updates, receiver) = mpsc::channel(UPDATES_MAX);
    let live = Live { client, kinds, fields, view: BTreeMap::new(), updates };
    tokio::spawn(live.run());
    receiver
}

impl Live {
    async fn run(mut self) {
        // A failure of the first request is final.
        if let Err(error) = self.look(true).await {
            let _ = self.updates.send(Update::Failed(error)).await;
            return;
        }
        loop {
            let outcome = match self.listen().await {
                Ended::Unwanted => return,
                Ended::NoEvents => self.ask_for_a_while().await,
                Ended::Broken(error) => {
                    let told = self.updates.send(Update::Lost(error)).await;
                    sleep(ASK_EVERY).await;
                    told.map_err(|_| None)
                }
            };
            match outcome {
                Ok(()) => {}
                Err(None) => return,
                Err(Some(error)) => {
                    let _ = self.updates.send(Update::Failed(error)).await;
                    return;
                }
            }
        }
    }

    /// Reads events until the stream ends.
    async fn listen(&mut self) -> Ended {
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.name).collect();
        let path = format!("/api/v1/events?kinds={}", kinds.join(","));
        let opened = self.client.open(&ApiRequest::get(path, "events")).await;
        let stream = match opened {
            Ok(stream) => stream,
            Err(CliError::Unreachable { url, reason }) => {
                return Ended::Broken(CliError::Unreachable { url, reason });
            }
            // There are too many listeners, or the control plane has no events.
            Err(_) => return Ended::NoEvents,
        };
        // Reads everything once the stream is open, to find changes from before.
        match self.look(false).await {
            Ok(true) => {}
            Ok(false) => return Ended::Unwanted,
            Err(error) => return Ended::Broken(error),
        }
        self.take_in(stream).await
    }

    async fn take_in(&mut self, mut stream: HttpStream) -> Ended {
        let lost = |client: &ApiClient, reason: String| Ended::Broken(client.unreachable(reason));
        let mut events = ServerEvents::default();
        loop {
            let chunk = tokio::select! {
                chunk = timeout(SILENT_MAX, stream.chunk()) => chunk,
                () = self.updates.closed() => return Ended::Unwanted,
            };
            let bytes = match chunk {
                Err(_) => {
                    return lost(
                        &self.client,
                        format!("nothing was received for {} s", SILENT_MAX.as_secs()),
                    );
                }
                Ok(Ok(None)) => return lost(&self.client, "the stream of events has ended".to_owned()),
                Ok(Err(error)) => return lost(&self.client, format!("the stream of events failed: {error}")),
                Ok(Ok(Some(bytes))) => bytes,
            };
            if events.take(&bytes).is_err() {
                return lost(&self.client, "an event is too large".to_owned());
            }
            let mut changes = Vec::new();
            while let Some(event) = events.next() {
                match self.told(&event) {
                    Some(told) => changes.extend(told),
                    None => match self.look(false).await {
                        Ok(true) => {}
                        Ok(false) => return Ended::Unwanted,
                        Err(error) => return Ended::Broken(error),
                    },
                }
            }
            if !changes.is_empty() && self.updates.send(Update::Changed(changes)).await.is_err() {
                return Ended::Unwanted;
            }
        }
    }

    /// Polls a number of times. Fails with an error if the control plane refuses, with none if the receiver is dropped.
    async fn ask_for_a_while(&mut self) -> Result<(), Option<CliError>> {
        for _ in 0..ASKED_UNTIL_EVENTS {
            tokio::select! {
                () = sleep(ASK_EVERY) => {}
                () = self.updates.closed() => return Err(None),
            }
            match self.look(false).await {
                Ok(true) => {}
                Ok(false) => return Err(None),
                Err(error @ CliError::Rejected(_)) => return Err(Some(error)),
                Err(error) => self.updates.send(Update::Lost(error)).await.map_err(|_| None)?,
            }
        }
        Ok(())
    }

    /// Reads everything and sends the differences; with `first`, also an empty list. Returns false if the receiver is dropped.
    async fn look(&mut self, first: bool) -> Result<bool, CliError> {
        let fields: Vec<_> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut there = BTreeMap::new();
        for kind in &self.kinds {
            let list = self.client.list(*kind, &fields).await?;
            there.extend(
                list.items.into_iter().map(|resource| ((*kind, resource.name().to_owned()), resource)),
            );
        }
        let gone = self.view.keys().filter(|key| !there.contains_key(key));
        let mut changes: Vec<_> =
            gone.map(|(kind, name)| Change { kind: *kind, name: name.clone(), now: None }).collect();
        let new = there.iter().filter(|(key, resource)| self.view.get(key) != Some(resource));
        changes.extend(new.map(|((kind, name), resource)| Change {
            kind: *kind,
            name: name.clone(),
            now: Some(resource.clone()),
        }));
        self.view = there;
        if changes.is_empty() && !first {
            return Ok(!self.updates.is_closed());
        }
        Ok(self.updates.send(Update::Changed(changes)).await.is_ok())
    }

    /// Returns the changes of an event; none if everything has to be read again.
    fn told(&mut self, event: &ServerEvent) -> Option<Vec<Change>> {
        let data: Value = serde_json::from_str(&event.data).ok()?;
        match event.event.as_str() {
            "changed" => self.changed(&data),
            "figures" if self.choice_depends_on(&data) => None,
            "figures" => Some(
                [(Kind::POOL, "pools"), (Kind::WORKER, "workers")]
                    .map(|(kind, list)| {
                        let statuses =
                            data.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                        self.figures(kind, statuses)
                    })
                    .concat(),
            ),
            // The event has only a part of the coordinator, so it is read again.
            "coordinators" if self.kinds.contains(&Kind::COORDINATOR) => None,
            "resync" => None,
            _ => Some(Vec::new()),
        }
    }

    fn changed(&mut self, data: &Value) -> Option<Vec<Change>> {
        let text = |name: &str| data.get(name).and_then(Value::as_str);
        let (kind, name, action) = (text("kind")?, text("name")?.to_owned(), text("action")?);
        let Some(kind) = Kind::of_resource(kind).filter(|kind| self.kinds.contains(kind)) else {
            return Some(Vec::new());
        };
        let key = (kind, name.clone());
        if action == "deleted" {
            return Some(
                self.view.remove(&key).map(|_| Change { kind, name, now: None }).into_iter().collect(),
            );
        }
        // Only the control plane knows which resources the query selects.
        if !self.fields.is_empty() {
            return None;
        }
        let resource = JsonResource::new(data.get("resource")?.clone())?;
        self.view.insert(key, resource.clone());
        Some(vec![Change { kind, name, now: Some(resource) }])
    }

    /// Returns whether these figures may change which workers the query selects.
    fn choice_depends_on(&self, data: &Value) -> bool {
        let Some((_, wanted)) = self.fields.iter().find(|(name, _)| name == "state") else { return false };
        let workers = data.get("workers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        workers.iter().any(|entry| {
            let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
            let chosen = self.view.contains_key(&(Kind::WORKER, name.to_owned()));
            let state = entry.pointer("/status/state").and_then(Value::as_str);
            chosen != (state == Some(wanted.as_str()))
        })
    }

    fn figures(&mut self, kind: Kind, statuses: &[Value]) -> Vec<Change> {
        let mut changes = Vec::new();
        for entry in statuses {
            let (Some(name), Some(status)) = (entry.get("name").and_then(Value::as_str), entry.get("status"))
            else {
                continue;
            };
            // A missing one is not selected, or its `changed` event follows.
            if let Some(resource) = self.view.get_mut(&(kind, name.to_owned())) {
                resource.set_status(status.clone());
                changes.push(Change { kind, name: name.to_owned(), now: Some(resource.clone()) });
            }
        }
        changes
    }
}
