//! Individually controlled clients: each has its own connection and sends on command. For cases that must know which
//! client was served.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::answer::head;
use crate::{clock::now_ns, poll::Poll};

const BUFFER: usize = 64 * 1024;
/// Time limit for a proxy to read a request. If it reads no body while the request waits, the body stays in the socket.
const SENT_WITHIN: Duration = Duration::from_secs(2);

/// A set of clients, all on the calling thread.
pub(crate) struct Clients {
    address: SocketAddr,
    poll: Poll,
    clients: Vec<Client>,
    tokens: Vec<u64>,
    buffer: Vec<u8>,
}

struct Client {
    socket: TcpStream,
    /// The time of its request without an answer.
    sent_ns: Option<u64>,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The client's number, from 0.
    pub(crate) client: usize,
    /// Its status.
    pub(crate) status: u16,
    /// The time at which its request was sent.
    pub(crate) sent_ns: u64,
    /// The time at which it arrived.
    pub(crate) came_ns: u64,
    /// The time at which the request arrived at the worker, if the answer contains it.
    pub(crate) arrived_ns: Option<u64>,
    /// The time at which the worker began to write the answer, if the answer contains it.
    pub(crate) written_ns: Option<u64>,
}

impl Clients {
    /// Creates an empty set of clients for the proxy at `address`.
    pub(crate) fn new(address: SocketAddr) -> Self {
        let (clients, tokens) = (Vec::new(), Vec::new());
        Self { address, poll: Poll::new().unwrap(), clients, tokens, buffer: vec![0; BUFFER] }
    }

    /// Connects another client, and returns its number.
    pub(crate) fn connect(&mut self) -> usize {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        self.poll.add(&socket, self.clients.len() as u64).unwrap();
        self.clients.push(Client { socket, sent_ns: None, read: Vec::new() });
        self.clients.len() - 1
    }

    /// Sends a request of an idle client for `path`, with these header lines (`name: value\r\n` each) and this body.
    pub(crate) fn send(&mut self, client: usize, path: &str, headers: &str, body: &[u8]) {
        let address = self.address;
        let client = &mut self.clients[client];
        assert!(client.sent_ns.is_none(), "one request at a time");
        client.sent_ns = Some(now_ns());
        let request = if body.is_empty() {
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n")
        } else {
            let length = body.len();
            format!("POST {path} HTTP/1.1\r\nhost: {address}\r\n{headers}content-length: {length}\r\n\r\n")
        };
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        if body.is_empty() {
            assert_eq!(client.socket.write(&request).unwrap(), request.len());
            return;
        }
        client.socket.set_nonblocking(false).unwrap();
        client.socket.set_write_timeout(Some(SENT_WITHIN)).unwrap();
        match client.socket.write_all(&request) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
        client.socket.set_nonblocking(true).unwrap();
    }

    /// Returns the answers that have arrived. Waits for one, at most until `until_ns`.
    ///
    /// # Panics
    /// If the proxy closes a connection whose request has no answer.
    pub(crate) fn answers(&mut self, until_ns: u64) -> Vec<Answer> {
        let mut answers = Vec::new();
        loop {
            let mut tokens = std::mem::take(&mut self.tokens);
            self.poll.wait(Some(until_ns), &mut tokens).unwrap();
            for token in tokens.drain(..) {
                answers.extend(self.look(token as usize));
            }
            self.tokens = tokens;
            if !answers.is_empty() || now_ns() >= until_ns {
                return answers;
            }
        }
    }

    /// Waits for the answer of one client within this time. The others must have none.
    pub(crate) fn answer_of(&mut self, client: usize, within: Duration) -> Answer {
        let answers = self.answers(now_ns() + within.as_nanos() as u64);
        match answers[..] {
            [answer] if answer.client == client => answer,
            _ => panic!("an answer for client {client} was to come, but {answers:?} came"),
        }
    }

    fn look(&mut self, number: usize) -> Option<Answer> {
        let client = &mut self.clients[number];
        match client.socket.read(&mut self.buffer) {
            Ok(0) => panic!("the proxy has closed a connection, {}", waiting(client)),
            Ok(read) => client.read.extend_from_slice(&self.buffer[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => panic!("{error}, {}", waiting(client)),
        }
        let head = head(&client.read).unwrap_or_else(|what| panic!("{what}"))?;
        if client.read.len() < head.length {
            return None;
        }
        client.read.clear();
        let sent_ns = client.sent_ns.take().unwrap_or_else(|| panic!("an answer to no request"));
        Some(Answer {
            client: number,
            status: head.status,
            sent_ns,
            came_ns: now_ns(),
            arrived_ns: head.arrived_ns,
            written_ns: head.written_ns,
        })
    }
}

fn waiting(client: &Client) -> &'static str {
    if client.sent_ns.is_some() { "whose request has no answer" } else { "without a request" }
}
