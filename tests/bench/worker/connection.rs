use std::{
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, TcpStream},
};

use super::{
    STAMPED,
    request::{Head, head},
};

/// A proxy's connection to a worker, with one request at a time.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    /// Which worker it goes to.
    pub(super) worker: Ipv4Addr,
    /// The head of the request that is being read or worked on.
    request: Option<Head>,
    /// Bytes of a head that is not whole yet.
    read: Vec<u8>,
    /// Of the request's body, what has not come yet.
    body_left: usize,
    /// Since when a job runs.
    pub(super) arrived_ns: Option<u64>,
    /// Connections follow each other in one place. A timer has the number of its connection.
    pub(super) serial: u64,
}

/// What a look at the socket has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    /// Nothing that matters yet.
    Nothing,
    /// A whole request.
    Request,
    /// The end.
    End,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, serial: u64) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let IpAddr::V4(worker) = socket.local_addr()?.ip() else { return Err(ErrorKind::Unsupported.into()) };
        Ok(Self { socket, worker, request: None, read: Vec::new(), body_left: 0, arrived_ns: None, serial })
    }

    /// Reads what there is, into `buffer` first.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<ReadOutcome> {
        loop {
            let read = match self.socket.read(buffer) {
                Ok(0) => return Ok(ReadOutcome::End),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(ReadOutcome::Nothing),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Ok(ReadOutcome::End),
            };
            self.take(&buffer[..read])?;
            if self.request.is_some() && self.body_left == 0 {
                return Ok(ReadOutcome::Request);
            }
            if read < buffer.len() {
                return Ok(ReadOutcome::Nothing);
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.request.is_some() {
            self.body_left = self.body_left.checked_sub(bytes.len()).ok_or_else(pipelined)?;
            return Ok(());
        }
        let kept = !self.read.is_empty();
        if kept {
            self.read.extend_from_slice(bytes);
        }
        let all = if kept { &self.read } else { bytes };
        match head(all, STAMPED).map_err(io::Error::other)? {
            Some(head) => {
                self.body_left = (head.length + head.body).checked_sub(all.len()).ok_or_else(pipelined)?;
                self.request = Some(head);
                self.read.clear();
            }
            None if !kept => self.read.extend_from_slice(bytes),
            None => {}
        }
        Ok(())
    }

    /// Answers; an error where the proxy has gone.
    pub(super) fn answer(&mut self, arrived_ns: u64, now_ns: u64) -> io::Result<()> {
        let stamped = self.request.take().is_some_and(|head| head.stamped);
        let written = if stamped {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nx-arrived-ns: {arrived_ns}\r\nx-answered-ns: {now_ns}\r\ncontent-length: 2\r\n\r\nok"
            );
            self.socket.write(answer.as_bytes())? == answer.len()
        } else {
            const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            self.socket.write(ANSWER)? == ANSWER.len()
        };
        // So few bytes fit into an empty buffer of the system at once.
        if written { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    }
}

fn pipelined() -> io::Error {
    io::Error::other("a request behind a request that has no answer yet")
}
