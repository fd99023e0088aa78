//! The connected Envoys, and the changes that each of them has rejected.

use std::{collections::BTreeMap, sync::Arc};

use slotway_pools::{POLICY, POOL, SETTINGS, WORKER};
use slotway_runtime::Moment;
use slotway_store::{AuditQuery, AuditRow, Kind, Store};
use slotway_xds::{NodeStatus, Nodes, RevisionSpan, SubscriptionState};

/// The maximum number of changes that are named for one rejection.
const CHANGES_MAX: usize = 3;
/// The number of newest changes from which those are chosen.
const CANDIDATES_MAX: u32 = 200;
/// The maximum number of spans of revisions that are read for one answer. Envoys that reject the same change share a
/// span.
const SPANS_MAX: usize = 16;

/// The connected Envoys and agents, with the changes that they rejected.
pub struct Coordinators {
    nodes: Arc<Nodes>,
    store: Arc<dyn Store>,
}

/// A connected Envoy or agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinator {
    /// What it has acknowledged and rejected.
    pub node: NodeStatus,
    /// For each rejection that is still in force, by type URL: the changes that are in the rejected configuration and
    /// in no configuration that the node accepted. Changes that the node's reason names come first, then the newest, at
    /// most 3. A type is missing if the database cannot be read.
    pub rejected_changes: BTreeMap<&'static str, Vec<RejectedChange>>,
}

/// A change that a coordinator rejected, possibly together with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedChange {
    /// The user who made it, as in the audit rows: `admin token`, `config file`, or `system` for a change by the
    /// control plane itself.
    pub who: String,
    /// When it was made.
    pub at: Moment,
    /// The kind of the changed document: `worker`, `settings`.
    pub kind: String,
    /// Its key: a worker's base URL.
    pub key: String,
}

impl Coordinators {
    /// Returns the coordinators among these nodes. The changes are read from the audit rows of `store`.
    #[must_use]
    pub fn new(nodes: Arc<Nodes>, store: Arc<dyn Store>) -> Self {
        Self { nodes, store }
    }

    /// Returns the connected nodes, Envoys and agents.
    #[must_use]
    pub fn nodes(&self) -> &Arc<Nodes> {
        &self.nodes
    }

    /// Returns the ids of the connected Envoys. An agent has no requests for which a drain would have to wait.
    #[must_use]
    pub fn envoys(&self) -> Vec<String> {
        let envoys = self.nodes.list().into_iter().filter(|node| !node.is_independent());
        envoys.map(|node| node.id).collect()
    }

    /// Adds to these nodes the changes that they rejected.
    pub async fn with_rejected_changes(&self, nodes: Vec<NodeStatus>) -> Vec<Coordinator> {
        let coordinator = |node| Coordinator { node, rejected_changes: BTreeMap::new() };
        let mut coordinators: Vec<_> = nodes.into_iter().map(coordinator).collect();
        // Without the database the Envoys are shown without rejected changes.
        if self.store.trouble().borrow().is_none() {
            self.add_rejected_changes(&mut coordinators).await;
        }
        coordinators
    }

    async fn add_rejected_changes(&self, coordinators: &mut [Coordinator]) {
        let mut known: BTreeMap<RevisionSpan, Option<Vec<AuditRow>>> = BTreeMap::new();
        for Coordinator { node, rejected_changes } in coordinators {
            for (url, status) in &node.types {
                let nack = status.last_nack.as_ref().filter(|_| status.state == SubscriptionState::Rejected);
                let Some((nack, span)) = nack.and_then(|nack| Some((nack, nack.revisions?))) else {
                    continue;
                };
                if !known.contains_key(&span) {
                    if known.len() >= SPANS_MAX {
                        continue;
                    }
                    known.insert(span, self.changes_in(span).await);
                }
                if let Some(rows) = known.get(&span).and_then(Option::as_ref) {
                    rejected_changes.insert(*url, likeliest(rows, &nack.reason));
                }
            }
        }
    }

    async fn changes_in(&self, span: RevisionSpan) -> Option<Vec<AuditRow>> {
        let query = AuditQuery {
            after_revision: span.accepted,
            up_to_revision: Some(span.rejected),
            limit: CANDIDATES_MAX,
            ..AuditQuery::newest()
        };
        match self.store.audit(&query).await {
            Ok(rows) => Some(rows),
            Err(error) => {
                tracing::debug!(%error, "audit rows of a rejected configuration not readable");
                None
            }
        }
    }
}

/// Returns the changes that Envoy's reason names first, then the others, newest first. So later valid changes do not
/// displace the invalid one.
fn likeliest(rows: &[AuditRow], reason: &str) -> Vec<RejectedChange> {
    let worker = WORKER.as_str();
    // Envoy receives no resources for agents.
    let of_envoy = [WORKER, POOL, POLICY, SETTINGS].map(Kind::as_str);
    let mut rows: Vec<_> = rows.iter().filter(|row| of_envoy.contains(&row.kind.as_str())).collect();
    rows.sort_by_key(|row| !(row.kind == worker && reason.contains(&row.key)));
    let change = |row: &AuditRow| RejectedChange {
        who: row.who.clone(),
        at: Moment::from_unix_ms(row.at_ms),
        kind: row.kind.clone(),
        key: row.key.clone(),
    };
    rows.into_iter().take(CHANGES_MAX).map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind whose resources Envoy does not receive.
    const OTHER: Kind = Kind::new("other");

    fn row(id: u64, who: &str, kind: Kind, key: &str) -> AuditRow {
        let (who, kind, key) = (who.to_owned(), kind.as_str().to_owned(), key.to_owned());
        AuditRow { id, revision: id, at_ms: 1_000, who, kind, key, before: None, after: None }
    }

    #[test]
    fn the_change_that_the_reason_names_is_not_displaced_by_later_ones() {
        let rows = [
            row(7, "late", OTHER, "http://wrong"),
            row(6, "sixth", WORKER, "http://d"),
            row(5, "fifth", SETTINGS, "file"),
            row(4, "fourth", WORKER, "http://b"),
            row(3, "third", WORKER, "http://a"),
            row(2, "culprit", WORKER, "http://wrong"),
            row(1, "first", WORKER, "http://e"),
        ];
        let who = |reason| likeliest(&rows, reason).into_iter().map(|change| change.who).collect::<Vec<_>>();
        assert_eq!(who("cluster http://wrong: no such file"), ["culprit", "sixth", "fifth"]);
        assert_eq!(who("no such file"), ["sixth", "fifth", "fourth"]);
    }
}
