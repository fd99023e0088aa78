/// The values of a request that authenticate its sender.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The value of `Authorization`.
    pub authorization: Option<&'a [u8]>,
    /// The value of the session cookie.
    pub session_id: Option<&'a str>,
    /// The value of the header with the CSRF token.
    pub csrf_token: Option<&'a [u8]>,
    /// Whether the request may change something. Such a request with a session needs the CSRF token.
    pub may_change: bool,
    /// Whether the request comes from this machine and is addressed to it by a loopback name.
    pub is_local: bool,
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("may_change", &self.may_change)
            .field("is_local", &self.is_local)
            .finish_non_exhaustive()
    }
}
