/// Longest head of a request.
const MAX_HEAD: usize = 64 * 1024;

/// The head of a request: as much of HTTP/1.1 as proxies send to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its own length.
    pub(crate) length: usize,
    /// Of the body behind it.
    pub(crate) body: usize,
    /// Whether the answer shall tell the times.
    pub(crate) stamped: bool,
}

/// Reads the head at the start of `bytes`; `None` as long as it is not whole.
pub(crate) fn head(bytes: &[u8], stamped_path: &str) -> Result<Option<Head>, &'static str> {
    let Some(length) = find(bytes, b"\r\n\r\n").map(|at| at + 4) else {
        return if bytes.len() > MAX_HEAD { Err("a head without an end") } else { Ok(None) };
    };
    let text = std::str::from_utf8(&bytes[..length]).map_err(|_| "a head that is no text")?;
    let mut lines = text.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or("no request line")?;
    let mut body = 0;
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            body = value.trim().parse().map_err(|_| "a length that is no number")?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err("a body in chunks, which the bench does not send");
        }
    }
    Ok(Some(Head { length, body, stamped: path.starts_with(stamped_path) }))
}

/// Where `wanted` begins.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let request = b"POST /stamped/x HTTP/1.1\r\nhost: a\r\nContent-Length: 12\r\n\r\nbody";
        let whole = Head { length: request.len() - 4, body: 12, stamped: true };
        for end in 0..whole.length {
            assert_eq!(head(&request[..end], "/stamped"), Ok(None));
        }
        assert_eq!(head(request, "/stamped"), Ok(Some(whole)));
        let plain = head(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "/stamped").unwrap().unwrap();
        assert_eq!((plain.body, plain.stamped), (0, false));
    }

    #[test]
    fn what_it_cannot_read_is_refused() {
        assert!(head(b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "/").is_err());
        assert!(head(b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "/").is_err());
        assert!(head(&[b'a'; MAX_HEAD + 1], "/").is_err());
    }
}
