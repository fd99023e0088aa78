use slotway_store::Who;

use crate::{error::IdentityError, scope::Scope, session::SessionId};

/// The way in which the sender of a request was authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthenticationMethod {
    /// No credentials; the request comes from this machine.
    Local,
    /// The admin token.
    AdminToken,
    /// A token.
    Token {
        /// The name of the token.
        name: String,
        /// The user who owns the token; `None` if it was created with the admin token.
        owner: Option<String>,
    },
    /// A session.
    Session {
        /// The user.
        user: String,
        /// The session.
        id: SessionId,
    },
}

/// The authenticated sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name in audit rows. Only for display: compare [`Self::method`] instead.
    pub who: Who,
    /// The permissions.
    pub scope: Scope,
    /// The way of authentication.
    pub method: AuthenticationMethod,
}

impl Identity {
    /// A request without credentials from this machine, with the scope `read`.
    pub const LOCAL: Self = Self { who: Who::LOCAL, scope: Scope::Read, method: AuthenticationMethod::Local };
    /// The holder of the admin token.
    pub const ADMIN_TOKEN: Self =
        Self { who: Who::ADMIN_TOKEN, scope: Scope::Admin, method: AuthenticationMethod::AdminToken };

    /// Returns the user of the session, or the owner of the token.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match &self.method {
            AuthenticationMethod::Session { user, .. } => Some(user),
            AuthenticationMethod::Token { owner, .. } => owner.as_deref(),
            AuthenticationMethod::Local | AuthenticationMethod::AdminToken => None,
        }
    }

    /// Returns whether the identity has a session.
    #[must_use]
    pub fn has_session(&self) -> bool {
        matches!(self.method, AuthenticationMethod::Session { .. })
    }

    /// Checks that the identity has a scope.
    ///
    /// # Errors
    /// [`IdentityError::Forbidden`].
    pub fn require(&self, needs: Scope) -> Result<(), IdentityError> {
        if self.scope >= needs {
            return Ok(());
        }
        Err(IdentityError::Forbidden { who: self.who.as_str().to_owned(), has: self.scope, needs })
    }

    /// Returns the user and the id of the session.
    ///
    /// # Errors
    /// [`IdentityError::NeedsSession`].
    pub fn require_session(&self) -> Result<(&str, &SessionId), IdentityError> {
        match &self.method {
            AuthenticationMethod::Session { user, id } => Ok((user, id)),
            _ => Err(IdentityError::NeedsSession { who: self.who.as_str().to_owned() }),
        }
    }
}
