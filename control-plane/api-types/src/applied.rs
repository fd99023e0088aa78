use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The outcomes of an apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Applied {
    /// One per resource, in the order of the request.
    pub items: Vec<AppliedItem>,
}

/// The outcome of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AppliedItem {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The action.
    pub action: Action,
    /// The resource before; `null` if it is new.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// The resource after.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

/// The action on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Created,
    /// It was changed.
    Changed,
    /// It did not change.
    Unchanged,
}

impl Action {
    /// Returns what became of a resource that was there or not, and is the same or not.
    pub fn of(there: bool, same: bool) -> Self {
        match (there, same) {
            (false, _) => Self::Created,
            (true, false) => Self::Changed,
            (true, true) => Self::Unchanged,
        }
    }
}
