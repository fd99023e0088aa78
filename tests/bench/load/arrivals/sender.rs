use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::Sent;
use crate::{clock::now_ns, load::answer::head, poll::Poll};

const BUFFER: usize = 64 * 1024;

/// A thread with one connection for each concurrent request.
pub(super) struct Sender {
    address: SocketAddr,
    request: Vec<u8>,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    /// Connections without a request; the last one is taken first.
    idle: Vec<usize>,
    done: Vec<Sent>,
    under_way: usize,
}

struct Connection {
    socket: TcpStream,
    /// Its request: scheduled and actual time.
    request: Option<(u64, u64)>,
    read: Vec<u8>,
}

impl Sender {
    pub(super) fn new(address: SocketAddr, request: Vec<u8>) -> io::Result<Self> {
        let (connections, idle, done) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { address, request, poll: Poll::new()?, connections, idle, done, under_way: 0 })
    }

    /// Sends at these times, and waits for the answers.
    pub(super) fn send(mut self, schedule: &[u64], last_within: Duration) -> io::Result<Vec<Sent>> {
        let begin = now_ns();
        let end = begin + schedule.last().copied().unwrap_or_default() + last_within.as_nanos() as u64;
        let mut next = schedule.iter().map(|at| begin + at).peekable();
        let mut tokens = Vec::new();
        let mut buffer = vec![0; BUFFER];
        while next.peek().is_some() || self.under_way > 0 {
            while let Some(intended) = next.next_if(|at| *at <= now_ns()) {
                self.send_one(intended)?;
            }
            let now = now_ns();
            if now > end {
                return Err(io::Error::new(
                    ErrorKind::TimedOut,
                    format!("{} requests have no answer", self.under_way),
                ));
            }
            self.poll.wait(Some(next.peek().map_or(end, |at| *at)), &mut tokens)?;
            for token in tokens.drain(..) {
                self.look(token as usize, &mut buffer)?;
            }
        }
        Ok(self.done)
    }

    fn send_one(&mut self, intended_ns: u64) -> io::Result<()> {
        let place = match self.idle.pop() {
            Some(place) => place,
            None => self.connect()?,
        };
        let Some(connection) = self.connections[place].as_mut() else { return Ok(()) };
        connection.request = Some((intended_ns, now_ns()));
        self.under_way += 1;
        match connection.socket.write(&self.request) {
            Ok(written) if written == self.request.len() => Ok(()),
            Ok(_) => Err(ErrorKind::WriteZero.into()),
            // The connection was closed meanwhile.
            Err(_) => {
                self.close(place);
                Ok(())
            }
        }
    }

    fn connect(&mut self) -> io::Result<usize> {
        let socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let place = self.connections.len();
        self.poll.add(&socket, place as u64)?;
        self.connections.push(Some(Connection { socket, request: None, read: Vec::new() }));
        Ok(place)
    }

    fn look(&mut self, place: usize, buffer: &mut [u8]) -> io::Result<()> {
        let Some(connection) = self.connections[place].as_mut() else { return Ok(()) };
        let read = match connection.socket.read(buffer) {
            Ok(0) => {
                self.close(place);
                return Ok(());
            }
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(_) => {
                self.close(place);
                return Ok(());
            }
        };
        connection.read.extend_from_slice(&buffer[..read]);
        let Some(head) = head(&connection.read).map_err(io::Error::other)? else { return Ok(()) };
        if connection.read.len() < head.length {
            return Ok(());
        }
        let answered_ns = now_ns();
        connection.read.clear();
        let Some((intended_ns, sent_ns)) = connection.request.take() else {
            return Err(io::Error::other("an answer to no request"));
        };
        self.done.push(Sent {
            intended_ns,
            sent_ns,
            answered_ns,
            status: head.status,
            arrived_ns: head.arrived_ns,
        });
        self.under_way -= 1;
        if head.closes {
            self.connections[place] = None;
        } else {
            self.idle.push(place);
        }
        Ok(())
    }

    fn close(&mut self, place: usize) {
        let Some(connection) = self.connections[place].take() else { return };
        self.idle.retain(|idle| *idle != place);
        if let Some((intended_ns, sent_ns)) = connection.request {
            self.done.push(Sent { intended_ns, sent_ns, answered_ns: now_ns(), status: 0, arrived_ns: None });
            self.under_way -= 1;
        }
    }
}
