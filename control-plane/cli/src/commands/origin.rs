use std::{fmt, net::IpAddr, str::FromStr};

use axum::http::uri::Authority;

/// The port of an address without one, as in the configuration file.
const PORT: u16 = 8_080;

/// The address of a control plane: `http://HOST:PORT`, `https://HOST`, or `HOST:PORT`; behind a proxy perhaps with a path prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// Whether TLS is used.
    pub(super) secure: bool,
    /// A name or an address, the latter without brackets.
    pub(super) host: String,
    /// The port.
    pub(super) port: u16,
    /// The prefix of every path: empty, or with a leading and without a trailing `/`.
    pub(super) base: String,
}

impl Origin {
    /// Returns the origin of an address, with or without TLS.
    pub(super) fn of(address: std::net::SocketAddr, secure: bool) -> Self {
        let (host, port) = (address.ip().to_string(), address.port());
        Self { secure, host, port, base: String::new() }
    }

    /// Returns whether it is on this machine.
    pub(super) fn is_here(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Returns host and port.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.base)
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (secure, rest, port) = match text.split_once("://") {
            None => (false, text, PORT),
            Some(("http", rest)) => (false, rest, 80),
            Some(("https", rest)) => (true, rest, 443),
            Some((other, _)) => return Err(format!("{other:?} is not supported. Use http or https")),
        };
        let (authority, base) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        // All users of a machine can read the arguments of its processes.
        if authority.contains('@') {
            return Err(
                "a URL with user or password is not accepted. Use --token-file or SLOTWAY_TOKEN".to_owned()
            );
        }
        if base.contains(['?', '#']) || !base.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("only a path may follow the host".to_owned());
        }
        let what = "expected http://HOST:PORT, https://HOST or HOST:PORT";
        let authority: Authority = authority.parse().map_err(|_| what.to_owned())?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let said = authority.as_str()[authority.host().len()..].strip_prefix(':');
        let port = match said {
            None => Some(port),
            Some(said) => said.parse().ok().filter(|port| *port != 0),
        };
        let port = port.ok_or_else(|| format!("the port must be from 1 to 65535: {what}"))?;
        if host.is_empty() {
            return Err(what.to_owned());
        }
        Ok(Self { secure, host: host.to_owned(), port, base: base.trim_end_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_write_it() {
        for (text, read) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("localhost", "http://localhost:8080"),
            ("http://plane:9000/", "http://plane:9000"),
            ("http://plane", "http://plane:80"),
            ("https://plane", "https://plane:443"),
            ("https://ops.example/slotway/", "https://ops.example:443/slotway"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("https://[fe80::1]", "https://[fe80::1]:443"),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!(origin.to_string(), read, "{text}");
            assert_eq!(origin.to_string().parse(), Ok(origin), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_would_be_one() {
        for (text, told) in [
            ("", "expected"),
            (":8080", "expected"),
            ("http://", "expected"),
            ("ftp://plane", "Use http or https"),
            ("http://ada:secret@plane", "--token-file"),
            ("ada:secret@plane:1", "--token-file"),
            ("plane:0", "1 to 65535"),
            ("plane:99999", "1 to 65535"),
            ("plane:http", "1 to 65535"),
            ("http://plane/?a=b", "only a path"),
            ("two words", "expected"),
        ] {
            let error = text.parse::<Origin>().unwrap_err();
            assert!(error.contains(told), "{text:?}: {error}");
            assert!(!error.contains("secret"), "{text:?}: {error}");
        }
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for (text, here) in [
            ("127.0.0.1:1", true),
            ("localhost", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("10.0.0.1:1", false),
            ("localhost.example", false),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().is_here(), here, "{text}");
        }
    }
}
