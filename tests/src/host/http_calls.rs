use crate::host::{Headers, LaneIndex, VmId};

/// A request that the module sent with `proxy_http_call` and that has no answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// Counts up over all calls of this host.
    pub serial: u64,
    /// The lane that sent it.
    pub lane: LaneIndex,
    /// The Envoy cluster that it goes to.
    pub cluster: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// Its timeout, in milliseconds; 0 for none.
    pub timeout_ms: u32,
    pub(crate) vm: VmId,
    pub(crate) root: u32,
    pub(crate) token: u32,
    pub(crate) due_ns: Option<u64>,
}

/// What became of an [`HttpCall`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallAnswer {
    /// An answer, with `:status` among its headers.
    Answer {
        /// Headers.
        headers: Headers,
        /// Body.
        body: Vec<u8>,
    },
    /// The connection broke.
    Reset,
}

impl CallAnswer {
    /// Returns an answer with a status and a body.
    #[must_use]
    pub fn status(status: u32, body: &str) -> Self {
        let headers = [(":status", status.to_string())].into_iter().collect();
        Self::Answer { headers, body: body.as_bytes().to_vec() }
    }
}
