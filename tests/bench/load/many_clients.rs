//! A closed loop of thousands of clients. wrk opens all connections at once, more than a proxy's backlog can hold, and
//! the rest connect seconds later. Here each connection is opened before the next, and the measurement begins when each
//! client has had an answer.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::answer::head;
use crate::{
    clock::now_ns,
    contender::{Contender, cpu_time},
    poll::Poll,
};

const BUFFER: usize = 64 * 1024;
/// The time limit for the first answers.
const FIRST_WITHIN: Duration = Duration::from_secs(60);

/// The result of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientsResult {
    /// The number of answers, all with status 200.
    pub(crate) answers: u64,
    /// The duration.
    pub(crate) took: Duration,
    /// The processor time of the proxy.
    pub(crate) cpu: Duration,
}

/// Lets `clients` clients send requests to `contender`, each the next one after its answer.
///
/// # Panics
/// If a connection is refused or closed, or an answer has another status than 200.
pub(crate) async fn run(contender: &Contender, clients: u32, length: Duration) -> ClientsResult {
    let (address, pid) = (contender.address, contender.pid());
    let asking = move || ask(address, pid, clients as usize, length);
    let name = &contender.name;
    tokio::task::spawn_blocking(asking).await.unwrap().unwrap_or_else(|error| panic!("{name}: {error}"))
}

struct Client {
    socket: TcpStream,
    read: Vec<u8>,
    answered: bool,
}

fn ask(address: SocketAddr, pid: i32, count: usize, length: Duration) -> io::Result<ClientsResult> {
    let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes();
    let mut poll = Poll::new()?;
    let mut clients = Vec::with_capacity(count);
    for token in 0..count {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        poll.add(&socket, token as u64)?;
        clients.push(Client { socket, read: Vec::new(), answered: false });
    }
    for client in &mut clients {
        client.ask(&request)?;
    }
    let mut tokens = Vec::new();
    let mut buffer = vec![0; BUFFER];
    let mut without_answer = count;
    let mut turn = |clients: &mut [Client], until: u64| -> io::Result<(u64, usize)> {
        let (mut answers, mut first) = (0, 0);
        poll.wait(Some(until), &mut tokens)?;
        for token in tokens.drain(..) {
            let client = &mut clients[token as usize];
            if client.look(&mut buffer)? {
                answers += 1;
                first += usize::from(!std::mem::replace(&mut client.answered, true));
                client.ask(&request)?;
            }
        }
        Ok((answers, first))
    };
    let latest = now_ns() + FIRST_WITHIN.as_nanos() as u64;
    while without_answer > 0 {
        without_answer -= turn(&mut clients, latest)?.1;
        if now_ns() > latest {
            return Err(io::Error::other(format!("{without_answer} of {count} clients got no answer")));
        }
    }
    let (began, cpu_before) = (now_ns(), cpu_time(pid));
    let until = began + length.as_nanos() as u64;
    let mut answers = 0;
    while now_ns() < until {
        answers += turn(&mut clients, until)?.0;
    }
    let cpu = cpu_time(pid) - cpu_before;
    Ok(ClientsResult { answers, took: Duration::from_nanos(now_ns() - began), cpu })
}

impl Client {
    fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        // A write of so few bytes fits into the empty socket buffer.
        let written = self.socket.write(request)?;
        if written == request.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Returns whether a complete answer has arrived.
    fn look(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let read = self.socket.read(buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read.extend_from_slice(&buffer[..read]);
        let Some(head) = head(&self.read).map_err(io::Error::other)? else { return Ok(false) };
        if self.read.len() < head.length {
            return Ok(false);
        }
        if head.status != 200 {
            return Err(io::Error::other(format!("an answer of status {}", head.status)));
        }
        self.read.clear();
        Ok(true)
    }
}
