use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use serde_json::Value;
use slotway_api_types::{AuditPage, AuditedChange, ResourceKind, kinds};

use super::{
    ApiState, Problem,
    access::{CallerIdentity, scope_of},
};
use crate::ApiError;
use slotway_identity::Scope;
use slotway_runtime::Moment;
use slotway_store::{AUDIT_PAGE_MAX, AuditQuery, AuditRow, HIDDEN};

/// The default number of rows.
const LIMIT: u32 = 100;

/// The filter of changes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditFilter {
    before: Option<u64>,
    kind: Option<String>,
    key: Option<String>,
    who: Option<String>,
    limit: Option<u32>,
}

fn audited_change(row: AuditRow) -> AuditedChange {
    let AuditRow { id, revision, at_ms, who, kind, key, before, after } = row;
    let document = |text: Option<String>| {
        text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap_or(Value::String(text)))
    };
    let at = Moment::from_unix_ms(at_ms).to_string();
    AuditedChange { id, revision, at, who, kind, key, before: document(before), after: document(after) }
}

/// Returns the change as visible to this scope. For a kind that the scope may not read, the content is hidden.
fn for_scope(mut change: AuditedChange, scope: Scope) -> AuditedChange {
    let may_read = |kind: &ResourceKind| scope >= scope_of(kind.read);
    if !kinds::by_stored(&change.kind).is_none_or(may_read) {
        for document in [&mut change.before, &mut change.after] {
            if !document.is_null() {
                *document = Value::String(HIDDEN.to_owned());
            }
        }
    }
    change
}

/// Lists the audit log, newest entry first.
#[utoipa::path(get, path = "/api/v1/audit", params(
    ("before" = Option<u64>, Query, description = "Only changes before this id: the `next` of the previous page"),
    ("kind" = Option<String>, Query, description = "Only changes of this kind", pattern = r"^[^\u0000]*$"),
    ("key" = Option<String>, Query, description = "Only changes of this key; of a worker, its base URL", pattern = r"^[^\u0000]*$"),
    ("who" = Option<String>, Query, description = "Only changes of this author", pattern = r"^[^\u0000]*$"),
    ("limit" = Option<u32>, Query, description = "Largest number of items, 1 to 1000; 100 by default", minimum = 1, maximum = 1000),
), responses(
    (status = 200, description = "The changes", body = AuditPage),
    (status = 400, description = "Invalid filter", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 503, description = "The database cannot be read", body = Problem),
))]
pub(super) async fn list_changes(
    State(state): State<ApiState>,
    CallerIdentity(identity): CallerIdentity,
    query: Result<Query<AuditFilter>, QueryRejection>,
) -> Result<Json<AuditPage>, ApiError> {
    let bad = |field: &str, reason| ApiError::BadBody { index: None, field: Some(field.to_owned()), reason };
    let Query(wanted) = query.map_err(|rejection| ApiError::BadBody {
        index: None,
        field: None,
        reason: format!("{}; there is before, kind, key, who and limit", rejection.body_text()),
    })?;
    let limit = wanted.limit.unwrap_or(LIMIT);
    if !(1..=AUDIT_PAGE_MAX).contains(&limit) {
        return Err(bad("limit", format!("{limit} is not from 1 to {AUDIT_PAGE_MAX}")));
    }
    // Ids are the database's, which are signed.
    if wanted.before.is_some_and(|before| i64::try_from(before).is_err()) {
        return Err(bad("before", "not an id of a change. Send the `next` of a page".to_owned()));
    }
    let AuditFilter { before, kind, key, who, .. } = wanted;
    for (field, text) in [("kind", &kind), ("key", &key), ("who", &who)] {
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            return Err(bad(field, "a name has no NUL".to_owned()));
        }
    }
    // One additional row shows whether there is a next page.
    let query = AuditQuery { before, kind, key, who, limit: limit + 1, ..AuditQuery::newest() };
    let mut rows = state.store.audit(&query).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id);
    let changes = rows.into_iter().map(audited_change).map(|change| for_scope(change, identity.scope));
    Ok(Json(AuditPage { changes: changes.collect(), next }))
}
