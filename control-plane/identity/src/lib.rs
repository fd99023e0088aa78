//! Authenticates requests and manages users, sessions, API tokens and sign-in with OpenID Connect.
//!
//! * [`AdminToken`]: a secret file in the state directory. Its holder has the scope `admin`.
//! * [`User`]: has a [`Role`] and signs in with a [`Password`] or with an OIDC provider ([`oidc`]). A sign-in creates a session.
//! * [`Token`]: a secret for a program, with a [`Scope`] and an optional expiry.
//! * Requests without credentials from this machine have the scope `read`, unless the settings deny it.
//!
//! The store holds users, tokens and sessions; several control planes may share it. Each control plane keeps a copy in memory and
//! follows the changes of the others, so that authentication reads no database.
//!
//! The crate contains no HTTP types: the caller takes the values of [`Credentials`] from the request.

mod admin_token;
mod credentials;
mod error;
mod identity;
pub mod kinds;
mod last_use;
mod lockout;
mod maintenance;
mod name;
pub mod oidc;
mod oidc_sign_in;
mod password;
mod scope;
mod secret;
mod service;
mod session;
mod sessions;
mod state;
mod throttled_catch_up;
mod token;
mod tokens;
mod user;
mod users;

pub use admin_token::AdminToken;
pub use credentials::Credentials;
pub use error::{Field, IdentityError};
pub use identity::{AuthenticationMethod, Identity};
pub use kinds::KINDS;
pub use lockout::{ADDRESS_FAILURES_MAX, NAME_FAILURES_MAX, WAIT_MAX, WAIT_MIN, network_of};
pub use name::{NAME_BYTES_MAX, Name};
pub use oidc_sign_in::{AuthorizationRedirect, CompletedSignIn};
pub use password::{PASSWORD_BYTES, Password};
pub use scope::Scope;
pub use service::{IdentityService, IdentitySettings};
pub use session::{SESSION_IDLE_MAX, SESSION_LIFETIME_MAX, SESSIONS_MAX, SESSIONS_PER_USER_MAX, SessionId};
pub use sessions::ActiveSession;
pub use state::guard_write;
pub use token::{TOKEN_PREFIX, TOKENS_MAX, Token, TokenRequest, parse_lifetime};
pub use tokens::{IssuedToken, TokenView};
pub use user::{Role, USERS_MAX, User, UserUpdate};
pub use users::UserView;

#[cfg(test)]
mod tests;
