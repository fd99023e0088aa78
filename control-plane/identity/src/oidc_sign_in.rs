use crate::{
    error::IdentityError,
    oidc::{AuthorizationResponse, Oidc},
    service::IdentityService,
    sessions::ActiveSession,
};

/// The redirection of a browser to the OIDC provider.
#[derive(Debug, PartialEq, Eq)]
pub struct AuthorizationRedirect {
    /// The URL of the provider's sign-in page.
    pub location: String,
    /// The state of the sign-in, which the browser has to send back.
    pub flow: String,
}

/// A sign-in that the OIDC provider has confirmed.
#[derive(Debug)]
pub struct CompletedSignIn {
    /// The new session.
    pub session: ActiveSession,
    /// The path that the browser returns to.
    pub return_to: String,
}

impl IdentityService {
    /// Begins a sign-in with the OIDC provider. `return_to` is the path of this server that the browser returns to.
    ///
    /// # Errors
    /// [`IdentityError::OidcOff`], [`IdentityError::OidcUnavailable`], [`IdentityError::Invalid`] for a `return_to` that leaves this
    /// server.
    pub async fn begin_oidc_sign_in(&self, return_to: &str) -> Result<AuthorizationRedirect, IdentityError> {
        let (location, flow) = self.oidc()?.begin(return_to).await?;
        Ok(AuthorizationRedirect { location, flow })
    }

    /// Finishes a sign-in with the OIDC provider and creates a session. `flow` is the state that the browser has sent back.
    ///
    /// # Errors
    /// [`IdentityError::OidcOff`], [`IdentityError::OidcUnavailable`], [`IdentityError::OidcRefused`], [`IdentityError::Store`].
    pub async fn finish_oidc_sign_in(
        &self,
        flow: Option<&str>,
        response: AuthorizationResponse,
    ) -> Result<CompletedSignIn, IdentityError> {
        let user = self.oidc()?.finish(flow, response, self.clock.now()).await?;
        let name = self.put_provider_user(user.subject, &user.name, user.role).await?;
        Ok(CompletedSignIn { session: self.begin_session(&name).await?, return_to: user.return_to })
    }

    fn oidc(&self) -> Result<&Oidc, IdentityError> {
        self.oidc.as_ref().ok_or(IdentityError::OidcOff)
    }
}
