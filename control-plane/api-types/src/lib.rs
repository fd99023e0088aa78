//! The types that REST, the CLI and the dashboard exchange as JSON, and one descriptor for each kind of resource.
//!
//! * [`Resource`], [`Metadata`], [`List`]: the shape of every resource.
//! * [`ResourceKind`]: what REST, events, audit, access control, the CLI and the API's description need to know of a kind.
//! * [`kinds`]: the kinds that exist. To add one, add its module there and its descriptor to [`kinds::ALL`].

mod applied;
mod audit;
mod column;
mod coordinator;
mod identity;
mod kind;
pub mod kinds;
mod problem;
mod resource;
mod schema;

pub use applied::{Action, Applied, AppliedItem};
pub use audit::{AuditPage, AuditedChange};
pub use column::{Cell, Column};
pub use coordinator::{
    CoordinatorPool, CoordinatorSpec, CoordinatorState, CoordinatorStatus, Rejection, SyncState, TypeStatus,
    UnacceptedChange, Variant,
};
pub use identity::{MadeToken, RoleName, ScopeName, SessionView, TokenSpec, TokenState, UserSpec, UserState};
pub use kind::{Deletion, RequiredScope, ResourceKind};
pub use problem::Problem;
pub use resource::{List, Metadata, Resource, ResourceBody, ResourceBodyMetadata};
pub use schema::{KindSchema, schema_of};
