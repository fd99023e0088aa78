//! People who come from a provider: a real one over HTTP, in process, whose tokens are really signed.

mod journey;
mod provider;
mod refusals;
mod rotation;
