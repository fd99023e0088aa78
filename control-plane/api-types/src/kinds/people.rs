use crate::{
    Cell::{Flag, Name, Number, Text},
    Column, Deletion, RequiredScope, ResourceKind,
};

/// Users.
pub static USER: ResourceKind = ResourceKind {
    name: "User",
    stored: Some("user"),
    path: "users",
    word: "user",
    words: "users",
    aliases: &[],
    title: "user",
    titles: "users",
    read: RequiredScope::Admin,
    change: RequiredScope::Admin,
    is_applied: false,
    deletion: Deletion::Possible,
    columns: &[
        Column::new("USER", Name),
        Column::new("ROLE", Text("spec.role")),
        Column::new("DISABLED", Flag("spec.disabled")),
    ],
    wide_columns: &[
        Column::new("SIGNS IN BY", Text("status.signs_in_by")),
        Column::new("SESSIONS", Number("status.sessions")),
        Column::new("CREATED", Text("status.created_at")),
    ],
    ordinary: None,
    xds_type: None,
};

/// API tokens. Their owners see their own; audit rows and events show them to admins only.
pub static TOKEN: ResourceKind = ResourceKind {
    name: "Token",
    stored: Some("token"),
    path: "tokens",
    word: "token",
    words: "tokens",
    aliases: &[],
    title: "token",
    titles: "tokens",
    read: RequiredScope::Admin,
    change: RequiredScope::Admin,
    is_applied: false,
    deletion: Deletion::Possible,
    columns: &[
        Column::new("TOKEN", Name),
        Column::new("SCOPE", Text("spec.scope")),
        Column::new("EXPIRES", Text("spec.expires_at")),
        Column::new("LAST USED", Text("status.last_used_at")),
    ],
    wide_columns: &[
        Column::new("OWNER", Text("status.owner")),
        Column::new("CREATED", Text("status.created_at")),
    ],
    ordinary: None,
    xds_type: None,
};
