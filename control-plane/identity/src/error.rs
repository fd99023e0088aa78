use slotway_runtime::RuntimeError;
use slotway_store::StoreError;

use super::Scope;

/// A failure of authentication, or of a change of users, sessions or tokens.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or the operating system failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The `Authorization` of a request is not valid.
    #[error("{0}")]
    InvalidCredentials(&'static str),
    /// The name or the password is wrong. The error does not say which.
    #[error("the name or the password is wrong")]
    WrongPassword,
    /// The session does not exist, or no longer.
    #[error("the session has ended; sign in again")]
    SessionEnded,
    /// A change with a session's cookie lacks the session's CSRF token.
    #[error("a change with a session needs the CSRF token of the session")]
    CsrfTokenMissing,
    /// The operation needs a session.
    #[error("{who} has no session; sign in first")]
    NeedsSession {
        /// The name of the identity in audit rows.
        who: String,
    },
    /// The identity has a narrower scope than the operation needs.
    #[error("this needs the scope `{}`, and {who} has the scope `{}`; ask an admin", .needs.as_str(), .has.as_str())]
    Forbidden {
        /// The name of the identity in audit rows.
        who: String,
        /// The scope of the identity.
        has: Scope,
        /// The scope that the operation needs.
        needs: Scope,
    },
    /// Too many sign-ins failed for this name or from this address.
    #[error("too many sign-ins have failed; wait {wait_s} s")]
    TooManyFailures {
        /// The time until the next attempt, in seconds.
        wait_s: u64,
    },
    /// The queue of passwords to hash is full.
    #[error("too many sign-ins at once; nothing was changed, try again")]
    SignInsBusy,
    /// The change would leave no enabled admin.
    #[error(
        "{name} is the last enabled admin; make another user an admin first, or use the admin token, which may always do this"
    )]
    LastAdmin {
        /// The user.
        name: String,
    },
    /// The user does not exist.
    #[error("there is no user {name:?}")]
    UnknownUser {
        /// The requested name.
        name: String,
    },
    /// The token does not exist, or the identity may not see it.
    #[error("there is no token {name:?}, or you may not see it")]
    UnknownToken {
        /// The requested name.
        name: String,
    },
    /// A given value is not valid.
    #[error("{reason}")]
    Invalid {
        /// The value.
        field: Field,
        /// The reason, and what is valid.
        reason: String,
    },
    /// A given value contradicts the present state.
    #[error("{reason}")]
    Conflict {
        /// The value; `None` if no single value is the cause.
        field: Option<Field>,
        /// The reason, and what is possible.
        reason: String,
    },
    /// No OIDC provider is configured.
    #[error("sign-in with OIDC is off: the configuration has no `oidc`")]
    OidcOff,
    /// The sign-in with the OIDC provider is refused.
    #[error("{0}")]
    OidcRefused(String),
    /// The OIDC provider does not answer, or not as specified.
    #[error("the OIDC provider is not available: {0}")]
    OidcUnavailable(String),
}

/// A value that a caller gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The password of a user whom an admin creates or changes.
    Password,
    /// The new password of the user who changes their own.
    NewPassword,
    /// The role of a user.
    Role,
    /// The name of a new token.
    TokenName,
    /// The path that a browser returns to after a sign-in with the OIDC provider.
    ReturnTo,
}

impl IdentityError {
    /// Returns the time until the caller should try again, in seconds.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyFailures { wait_s } => Some(*wait_s),
            Self::SignInsBusy => Some(1),
            _ => None,
        }
    }
}
