//! Users of an OIDC provider: a real provider over HTTP, in process, with really signed tokens.

mod journey;
mod provider;
mod refusals;
mod rotation;
