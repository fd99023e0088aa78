//! Who asks, and what they may do.
//!
//! Whoever can read the state directory has the [`AdminToken`] and may do everything. Without any credentials, whoever asks from
//! this machine may read.

mod admin_token;
mod identity;

use std::sync::Arc;

use axum::http::{header, request::Parts};

pub use admin_token::AdminToken;
pub use identity::{Identity, Scope};

use crate::{error::Error, store::Who};

/// Who may ask, and how they show that it is them.
#[derive(Debug)]
pub struct People {
    admin_token: Arc<AdminToken>,
}

impl People {
    /// Those who have the admin token.
    #[must_use]
    pub fn new(admin_token: Arc<AdminToken>) -> Self {
        Self { admin_token }
    }

    /// Who sends a request: by its credentials; without any, somebody on this machine, or nobody that is known.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for credentials that are wrong, whatever the request may do without.
    pub async fn identify(&self, parts: &Parts) -> Result<Option<Identity>, Error> {
        if let Some(given) = parts.headers.get(header::AUTHORIZATION) {
            return self.by_token(given.as_bytes()).map(Some);
        }
        Ok(identity::is_local(parts).then_some(Identity::LOCAL))
    }

    fn by_token(&self, authorization: &[u8]) -> Result<Identity, Error> {
        let bearer =
            authorization.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
        match bearer {
            Some((_, given)) if self.admin_token.is(given) => {
                Ok(Identity::new(Who::ADMIN_TOKEN, Scope::Admin))
            }
            _ => Err(Error::Unauthorized(
                "the token is wrong; the admin token is in `admin-token` in the state directory",
            )),
        }
    }
}
