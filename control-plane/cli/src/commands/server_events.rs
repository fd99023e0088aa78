//! Parses server-sent events: <https://html.spec.whatwg.org/multipage/server-sent-events.html>, section 9.2.6.

use std::collections::VecDeque;

/// The longest line and the longest event, in bytes. A stored document has at most 1 MiB.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerEvent {
    /// Its type; `message` by default.
    pub(super) event: String,
    /// Its data, with the lines joined.
    pub(super) data: String,
    /// The last id of the stream, from this event or an earlier one.
    pub(super) id: Option<String>,
}

/// Turns a stream of bytes into events. Comments and unknown fields are ignored.
#[derive(Debug, Default)]
pub(super) struct ServerEvents {
    line: Vec<u8>,
    event: String,
    data: Option<String>,
    id: Option<String>,
    /// Whether the last byte was a carriage return; a line feed after it does not end another line.
    returned: bool,
    ready: VecDeque<ServerEvent>,
}

/// The error of an event above the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl ServerEvents {
    /// Parses more of the stream.
    ///
    /// # Errors
    /// [`TooLong`]: the rest of the stream cannot be read.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        for &byte in bytes {
            let follows_return = std::mem::replace(&mut self.returned, byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => self.end_line()?,
                _ if self.line.len() >= EVENT_BYTES_MAX => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    /// Returns the next complete event.
    pub(super) fn next(&mut self) -> Option<ServerEvent> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) -> Result<(), TooLong> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if let Some(data) = self.data.take() {
                let event = if event.is_empty() { "message".to_owned() } else { event };
                self.ready.push_back(ServerEvent { event, data, id: self.id.clone() });
            }
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "data" => match &mut self.data {
                None => self.data = Some(value.to_owned()),
                Some(data) if data.len() + value.len() >= EVENT_BYTES_MAX => return Err(TooLong),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<(String, String, Option<String>)> {
        let mut events = ServerEvents::default();
        for chunk in chunks {
            events.take(chunk).unwrap();
        }
        std::iter::from_fn(|| events.next()).map(|event| (event.event, event.data, event.id)).collect()
    }

    fn event(event: &str, data: &str, id: Option<&str>) -> (String, String, Option<String>) {
        (event.to_owned(), data.to_owned(), id.map(str::to_owned))
    }

    #[test]
    fn events_are_read_as_the_specification_has_them() {
        for (stream, events) in [
            ("data: a\n\n", vec![event("message", "a", None)]),
            ("event: changed\ndata: {}\nid: 7\n\n", vec![event("changed", "{}", Some("7"))]),
            (
                "id: 7\ndata: a\n\ndata: b\n\n",
                vec![event("message", "a", Some("7")), event("message", "b", Some("7"))],
            ),
            ("data: a\ndata:b\ndata\n\n", vec![event("message", "a\nb\n", None)]),
            (": a comment\n\n", vec![]),
            ("event: nothing\n\ndata: a\n\n", vec![event("message", "a", None)]),
            ("data:  two spaces\r\n\r\n", vec![event("message", " two spaces", None)]),
            ("data: a\r\rdata: b\n\n", vec![event("message", "a", None), event("message", "b", None)]),
            ("retry: 5\nother: x\ndata: a\n\n", vec![event("message", "a", None)]),
            ("data: not ended\n", vec![]),
        ] {
            assert_eq!(read(&[stream.as_bytes()]), events, "{stream:?}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut events = ServerEvents::default();
        let chunk = vec![b'x'; EVENT_BYTES_MAX];
        assert_eq!(events.take(&chunk), Ok(()));
        assert_eq!(events.take(b"x"), Err(TooLong));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_stream_is_cut(cuts in prop::collection::vec(0_usize..60, 0..8)) {
            let stream = "event: a\r\ndata: grün\r\nid: 1\r\n\r\n: c\ndata: b\n\ndata: c\r\rdata: d\n\n".as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let chunks: Vec<_> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&chunks), read(&[stream]));
        }
    }
}
