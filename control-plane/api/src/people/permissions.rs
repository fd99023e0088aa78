use slotway_api_types::{RoleName, ScopeName};
use slotway_identity::{Role, Scope};

/// Returns the wire type of a scope.
pub(super) fn scope_name(scope: Scope) -> ScopeName {
    match scope {
        Scope::Read => ScopeName::Read,
        Scope::Workers => ScopeName::Workers,
        Scope::Admin => ScopeName::Admin,
    }
}

/// Returns the scope of a wire type.
pub(super) fn scope(scope: ScopeName) -> Scope {
    match scope {
        ScopeName::Read => Scope::Read,
        ScopeName::Workers => Scope::Workers,
        ScopeName::Admin => Scope::Admin,
    }
}

/// Returns the wire type of a role.
pub(super) fn role_name(role: Role) -> RoleName {
    match role {
        Role::Admin => RoleName::Admin,
        Role::Viewer => RoleName::Viewer,
    }
}

/// Returns the role of a wire type.
pub(super) fn role(role: RoleName) -> Role {
    match role {
        RoleName::Admin => Role::Admin,
        RoleName::Viewer => Role::Viewer,
    }
}
