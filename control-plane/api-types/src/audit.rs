use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A page of `GET /api/v1/audit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditPage {
    /// The changes, newest first.
    pub changes: Vec<AuditedChange>,
    /// The `before` of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A change of one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditedChange {
    /// Its id, larger than those of earlier changes.
    pub id: u64,
    /// The store's revision; changes of one commit share it.
    pub revision: u64,
    /// The time (RFC 3339, UTC).
    pub at: String,
    /// The author: a user, `token NAME`, `admin token`, `config file`, or `system`.
    pub who: String,
    /// The kind of the document: `worker`, `settings`, ...
    pub kind: String,
    /// Its key.
    pub key: String,
    /// The document before, without secrets; `null` if it is new.
    pub before: Value,
    /// The document after, without secrets; `null` if it was deleted.
    pub after: Value,
}
