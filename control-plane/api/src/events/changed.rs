//! Turns commits of the store into events.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use axum::body::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::{EventSources, frame, kinds::Kinds};
use crate::ApiError;
use crate::{ordinary, v1};
use slotway_pools::is_visible_document;
use slotway_store::{AUDIT_PAGE_MAX, AuditQuery, AuditRow, Commit, StoreError};

/// The largest number of changes sent one by one; above that, reading everything again is cheaper.
pub(super) const CHANGES_MAX: usize = 1_000;

/// The outcome of one resource.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Changed {
    kind: &'static str,
    name: String,
    action: Action,
    /// The author; none if the audit entry is gone.
    who: Option<String>,
    /// The resource as GET returns it when the event is sent; none if it is gone by then.
    resource: Option<Value>,
    #[serde(skip)]
    kinds: Kinds,
    #[serde(skip)]
    revision: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Created,
    Changed,
    Deleted,
}

/// Returns the events of commits.
///
/// # Errors
/// [`StoreError::Forgotten`] if there are too many changes.
pub(super) async fn of(sources: &EventSources, commits: &[Commit]) -> Result<Vec<Changed>, ApiError> {
    let told = || {
        let changes = commits
            .iter()
            .flat_map(|commit| commit.changes.iter().map(move |change| (commit.revision, change)));
        changes.filter_map(|(revision, change)| Some((revision, change, Kinds::of(change.kind)?)))
    };
    let (Some(first), Some(last)) = (commits.first(), commits.last()) else { return Ok(Vec::new()) };
    let number = told().count();
    if number > CHANGES_MAX {
        return Err(StoreError::Forgotten { after: first.revision - 1 }.into());
    }
    if number == 0 {
        return Ok(Vec::new());
    }
    // The resources must not be older than the events.
    sources.workers.caught_up(last.revision).await?;
    sources.resources.caught_up(last.revision).await?;
    let mut rows = rows(sources, first.revision - 1, last.revision).await?;
    let view = sources.workers.view(Instant::now());
    let mut events = Vec::with_capacity(number);
    for (revision, change, (kind, kinds)) in told() {
        let row = rows.remove(&(revision, change.kind.as_str().to_owned(), change.key.clone()));
        let there = |text: Option<&str>| text.is_some_and(is_visible_document);
        let now = there(change.value.as_deref());
        // With defaults it exists before its first document, and after its last one.
        let is_built_in = ordinary::is_built_in(&sources.resources, kind, &change.key);
        let now = now || is_built_in;
        let action = match (row.as_ref().map(|row| there(row.before.as_deref())), now) {
            (Some(false), true) if !is_built_in => Action::Created,
            (Some(_) | None, true) => Action::Changed,
            (Some(true) | None, false) => Action::Deleted,
            // The marker of a removed resource has changed.
            (Some(false), false) => continue,
        };
        let resource = match kind.ordinary {
            _ if !now || kinds.is_of_admins() => None,
            Some(_) => ordinary::rendered(&sources.resources, kind, &change.key),
            None => v1::rendered(&view, change.kind, &change.key),
        };
        let who = row.map(|row| row.who);
        let kind = kind.name;
        events.push(Changed { kind, name: change.key.clone(), action, who, resource, kinds, revision });
    }
    Ok(events)
}

/// Returns the audit entries of revisions.
async fn rows(
    sources: &EventSources,
    after: u64,
    up_to: u64,
) -> Result<HashMap<(u64, String, String), AuditRow>, ApiError> {
    let mut found = HashMap::new();
    let mut before = None;
    loop {
        let query = AuditQuery {
            before,
            after_revision: Some(after),
            up_to_revision: Some(up_to),
            limit: AUDIT_PAGE_MAX,
            ..AuditQuery::newest()
        };
        let page = sources.store.audit(&query).await?;
        let is_last = page.len() < AUDIT_PAGE_MAX as usize;
        before = page.last().map(|row| row.id);
        found.extend(page.into_iter().map(|row| ((row.revision, row.kind.clone(), row.key.clone()), row)));
        if is_last {
            return Ok(found);
        }
    }
}

/// Serializes events for listeners to these kinds. Only the last event of a revision has its id: a listener that has not
/// received all of them receives all of them again.
pub(super) fn piece(events: &[Changed], kinds: Kinds) -> Option<Bytes> {
    let wanted: Vec<_> = events.iter().filter(|event| kinds.has(event.kinds)).collect();
    let mut last_of = BTreeMap::new();
    for (number, event) in wanted.iter().enumerate() {
        last_of.insert(event.revision, number);
    }
    let text: String = wanted
        .iter()
        .enumerate()
        .map(|(number, event)| {
            let is_last = last_of.get(&event.revision) == Some(&number);
            frame::event("changed", is_last.then_some(event.revision), event)
        })
        .collect();
    (!text.is_empty()).then(|| Bytes::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &'static str, name: &str, revision: u64) -> Changed {
        let (name, kinds) = (name.to_owned(), Kinds::parse(kind).unwrap());
        Changed { kind, name, action: Action::Created, who: None, resource: None, kinds, revision }
    }

    #[test]
    fn only_the_last_event_of_a_revision_for_a_listener_has_its_id() {
        let events = [
            event("Worker", "a", 7),
            event("Pool", "b", 7),
            event("Worker", "c", 8),
            event("Worker", "d", 8),
            event("Pool", "e", 8),
        ];
        let heard = |kinds: &str| {
            let piece = piece(&events, Kinds::parse(kinds).unwrap()).unwrap();
            let text = String::from_utf8(piece.to_vec()).unwrap();
            let blocks = text.split_terminator("\n\n").map(|block| {
                let id = block.lines().find_map(|line| line.strip_prefix("id: ")).map(str::to_owned);
                let data = block.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
                let data: Value = serde_json::from_str(data).unwrap();
                (data["name"].as_str().unwrap().to_owned(), id)
            });
            blocks.map(|(name, id)| format!("{name}{}", id.unwrap_or_default())).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(heard("Worker,Pool"), "a b7 c d e8");
        assert_eq!(heard("Worker"), "a7 c d8");
        assert_eq!(heard("Pool"), "b7 e8");
        assert_eq!(piece(&events, Kinds::COORDINATOR), None);
    }
}
