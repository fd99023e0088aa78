/// The head of an answer, with the parts that clients of this benchmark need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::load) struct Head {
    /// The length of head and body.
    pub(in crate::load) length: usize,
    pub(in crate::load) status: u16,
    pub(in crate::load) arrived_ns: Option<u64>,
    /// The time at which the worker began to write it.
    pub(in crate::load) written_ns: Option<u64>,
    /// Whether the proxy closes the connection.
    pub(in crate::load) closes: bool,
}

/// Parses the head at the start of `bytes`; `None` while it is incomplete.
pub(in crate::load) fn head(bytes: &[u8]) -> Result<Option<Head>, &'static str> {
    let Some(length) = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..length]).map_err(|_| "a head that is no text")?;
    let mut lines = text.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status =
        status_line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status line")?;
    // HTTP/1.0 closes the connection by default.
    let mut head = Head {
        length,
        status,
        arrived_ns: None,
        written_ns: None,
        closes: status_line.starts_with("HTTP/1.0"),
    };
    let mut body = None;
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or_default();
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            body = Some(value.parse::<usize>().map_err(|_| "a length that is no number")?);
        } else if name.eq_ignore_ascii_case("x-arrived-ns") {
            head.arrived_ns = value.parse().ok();
        } else if name.eq_ignore_ascii_case("x-answered-ns") {
            head.written_ns = value.parse().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            head.closes = value.eq_ignore_ascii_case("close");
        }
    }
    head.length += body.ok_or("an answer without a length")?;
    Ok(Some(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_its_head_is_whole() {
        let answer =
            b"HTTP/1.1 200 OK\r\nX-Arrived-Ns: 12\r\nx-answered-ns: 34\r\ncontent-length: 2\r\n\r\nok";
        let whole = Head {
            length: answer.len(),
            status: 200,
            arrived_ns: Some(12),
            written_ns: Some(34),
            closes: false,
        };
        for end in 0..answer.len() - 2 {
            assert_eq!(head(&answer[..end]), Ok(None));
        }
        assert_eq!(head(answer), Ok(Some(whole)));
        let closing =
            head(b"HTTP/1.1 503 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap().unwrap();
        assert!(closing.closes && closing.status == 503 && closing.arrived_ns.is_none());
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
