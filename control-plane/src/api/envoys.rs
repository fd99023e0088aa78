use std::collections::BTreeMap;

use axum::{Json, extract::State};

use super::{ApiState, Problem};
use crate::kinds;
use crate::{
    store::{AuditQuery, AuditRow, Kind, Store},
    xds::{CoordinatorStatus, RevisionSpan, SyncState, UnacceptedChange},
};

/// Most changes that are named for one rejection.
const CHANGES_MAX: usize = 3;
/// Of how many of the newest changes those are chosen.
const CANDIDATES_MAX: u32 = 200;
/// Most different spans of changes that are read for one answer. Envoys that refuse the same share theirs.
const SPANS_MAX: usize = 16;

/// Lists the connected Envoys: which configuration each has acknowledged, what it refused, and who changed what since.
#[utoipa::path(get, path = "/coordinator/envoys", responses(
    (status = 200, description = "The connected Envoys", body = Vec<CoordinatorStatus>),
    (status = 401, description = "Not from this machine, and without the token", body = Problem),
))]
pub(super) async fn list_envoys(State(state): State<ApiState>) -> Json<Vec<CoordinatorStatus>> {
    Json(with_changes(state.coordinators.list(), &*state.store).await)
}

/// The same, with who changed what each of them refused and that is not mended.
pub(super) async fn with_changes(
    mut envoys: Vec<CoordinatorStatus>,
    store: &dyn Store,
) -> Vec<CoordinatorStatus> {
    // Without the database the Envoys are shown all the same.
    if store.trouble().borrow().is_none() {
        name_changes(&mut envoys, store).await;
    }
    envoys
}

/// Says of each rejection that is not mended which changes are in what was refused and not in what was accepted before.
async fn name_changes(envoys: &mut [CoordinatorStatus], store: &dyn Store) {
    let mut known: BTreeMap<RevisionSpan, Option<Vec<AuditRow>>> = BTreeMap::new();
    let types = envoys.iter_mut().flat_map(|envoy| envoy.types.values_mut());
    for ty in types.filter(|ty| ty.state == SyncState::Rejected) {
        let Some(rejection) = &mut ty.last_rejection else { continue };
        let Some(span) = rejection.revisions else { continue };
        if !known.contains_key(&span) {
            if known.len() >= SPANS_MAX {
                continue;
            }
            known.insert(span, changes_in(span, store).await);
        }
        let rows = known.get(&span).and_then(Option::as_ref);
        rejection.changes = rows.map(|rows| likeliest(rows, &rejection.reason));
    }
}

async fn changes_in(span: RevisionSpan, store: &dyn Store) -> Option<Vec<AuditRow>> {
    let query = AuditQuery {
        after_revision: span.accepted,
        up_to_revision: Some(span.refused),
        limit: CANDIDATES_MAX,
        ..AuditQuery::newest()
    };
    match store.audit(&query).await {
        Ok(rows) => Some(rows),
        Err(error) => {
            tracing::debug!("who changed what an Envoy refused cannot be read: {error}");
            None
        }
    }
}

/// The changes that Envoy's reason names, then the others, the newest first: changes that were right, and came while the
/// wrong one was not mended, must not push that one out.
fn likeliest(rows: &[AuditRow], reason: &str) -> Vec<UnacceptedChange> {
    let worker = kinds::WORKER.as_str();
    // What agents are told is nothing to Envoy.
    let of_envoy = [kinds::WORKER, kinds::POOL, kinds::POLICY, kinds::SETTINGS].map(Kind::as_str);
    let mut rows: Vec<_> = rows.iter().filter(|row| of_envoy.contains(&row.kind.as_str())).collect();
    rows.sort_by_key(|row| !(row.kind == worker && reason.contains(&row.key)));
    let change = |row: &AuditRow| UnacceptedChange {
        who: row.who.clone(),
        at_unix_ms: u64::try_from(row.at_ms).unwrap_or_default(),
        kind: row.kind.clone(),
        key: row.key.clone(),
    };
    rows.into_iter().take(CHANGES_MAX).map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u64, who: &str, kind: Kind, key: &str) -> AuditRow {
        let (who, kind, key) = (who.to_owned(), kind.as_str().to_owned(), key.to_owned());
        AuditRow { id, revision: id, at_ms: 1_000, who, kind, key, before: None, after: None }
    }

    #[test]
    fn the_change_that_the_reason_names_is_not_pushed_out_by_those_that_came_later() {
        let rows = [
            row(7, "late", kinds::BACKUP_JOB, "http://wrong"),
            row(6, "sixth", kinds::WORKER, "http://d"),
            row(5, "fifth", kinds::SETTINGS, "file"),
            row(4, "fourth", kinds::WORKER, "http://b"),
            row(3, "third", kinds::WORKER, "http://a"),
            row(2, "culprit", kinds::WORKER, "http://wrong"),
            row(1, "first", kinds::WORKER, "http://e"),
        ];
        let who = |reason| likeliest(&rows, reason).into_iter().map(|change| change.who).collect::<Vec<_>>();
        assert_eq!(who("cluster http://wrong: no such file"), ["culprit", "sixth", "fifth"]);
        assert_eq!(who("no such file"), ["sixth", "fifth", "fourth"]);
    }
}
