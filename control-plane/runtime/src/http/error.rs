use std::{io, time::Duration};

/// The reason for which a request has no complete answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL, a header or the server name cannot be sent.
    #[error("the request is not valid: {0}")]
    Invalid(String),
    /// There is no TCP connection.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The TCP connection took too long.
    #[error("no connection within {}", in_words(*.0))]
    ConnectTimeout(Duration),
    /// TLS failed: the certificate is not trusted, or bears another name, or the server does not speak TLS.
    #[error("TLS failed: {0}")]
    Tls(#[source] io::Error),
    /// The TLS handshake took too long.
    #[error("no TLS within {}", in_words(*.0))]
    TlsTimeout(Duration),
    /// The server closed the connection before it had answered.
    #[error("the server closed the connection without an answer")]
    Closed,
    /// The server does not speak this version of HTTP, or the connection broke.
    #[error("the connection failed: {0}")]
    Protocol(#[source] hyper::Error),
    /// The answer took too long.
    #[error("no answer within {}", in_words(*.0))]
    Timeout(Duration),
    /// The connection ended within the body of the answer.
    #[error("the answer broke off: {0}")]
    Body(#[source] hyper::Error),
    /// The body of the answer is larger than the caller takes, in bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// Returns `5 s`, or `1500 ms` where it is no whole number of seconds.
fn in_words(limit: Duration) -> String {
    if limit.subsec_nanos() == 0 {
        format!("{} s", limit.as_secs())
    } else {
        format!("{} ms", limit.as_millis())
    }
}

impl HttpError {
    /// Says whether a time limit has passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::ConnectTimeout(_) | Self::TlsTimeout(_) | Self::Timeout(_))
    }

    /// Says whether no process listens at the address.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused)
    }
}

impl From<hyper::Error> for HttpError {
    fn from(error: hyper::Error) -> Self {
        if error.is_canceled() || error.is_incomplete_message() {
            Self::Closed
        } else {
            Self::Protocol(error)
        }
    }
}
