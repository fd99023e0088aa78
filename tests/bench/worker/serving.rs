use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io::{self, ErrorKind},
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, atomic::Ordering},
};

use super::{
    Shared,
    connection::{Connection, ReadOutcome},
};
use crate::{clock::now_ns, poll::Poll};

const LISTENER: u64 = u64::MAX;
const BUFFER: usize = 256 * 1024;
/// How soon it sees that it shall end.
const LOOK_EVERY_NS: u64 = 100_000_000;

/// The thread's own: its connections, and which job ends when.
pub(super) struct Serving {
    listener: TcpListener,
    shared: Arc<Shared>,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    serials: u64,
    in_flight: HashMap<Ipv4Addr, u32>,
    /// When, in which place, which connection.
    due: BinaryHeap<Reverse<(u64, usize, u64)>>,
    buffer: Vec<u8>,
}

impl Serving {
    pub(super) fn new(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let poll = Poll::new()?;
        poll.add(&listener, LISTENER)?;
        Ok(Self {
            listener,
            shared,
            poll,
            connections: Vec::new(),
            free: Vec::new(),
            serials: 0,
            in_flight: HashMap::new(),
            due: BinaryHeap::new(),
            buffer: vec![0; BUFFER],
        })
    }

    /// Until its owner goes.
    pub(super) fn serve(mut self) -> io::Result<()> {
        let mut tokens = Vec::new();
        while !self.shared.ending.load(Ordering::Relaxed) {
            let look = now_ns() + LOOK_EVERY_NS;
            let due = self.due.peek().map_or(look, |Reverse((due, ..))| look.min(*due));
            self.poll.wait(Some(due), &mut tokens)?;
            for token in tokens.drain(..) {
                if token == LISTENER { self.accept()? } else { self.look(token as usize)? }
            }
            self.answer_what_is_due();
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            self.serials += 1;
            // A client that went at once has no address any more.
            let Ok(connection) = Connection::new(socket, self.serials) else { continue };
            let place = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            self.poll.add(&connection.socket, place as u64)?;
            self.connections[place] = Some(connection);
        }
    }

    fn look(&mut self, place: usize) -> io::Result<()> {
        let Some(connection) = self.connections[place].as_mut() else { return Ok(()) };
        match connection.read(&mut self.buffer)? {
            ReadOutcome::Nothing => {}
            ReadOutcome::End => self.close(place),
            ReadOutcome::Request => {
                let now = now_ns();
                connection.arrived_ns = Some(now);
                let (worker, serial) = (connection.worker, connection.serial);
                let in_flight = self.in_flight.entry(worker).or_default();
                *in_flight += 1;
                {
                    let mut counted = self.shared.counted.lock().unwrap();
                    counted.arrived(now);
                    let most = counted.most.entry(worker).or_default();
                    *most = (*most).max(*in_flight);
                }
                match self.shared.job_ns.load(Ordering::Relaxed) {
                    0 => self.answer(place),
                    job => self.due.push(Reverse((now + job, place, serial))),
                }
            }
        }
        Ok(())
    }

    fn answer_what_is_due(&mut self) {
        while let Some(Reverse((due, place, serial))) = self.due.peek().copied() {
            if due > now_ns() {
                return;
            }
            self.due.pop();
            if self.connections[place].as_ref().is_some_and(|connection| connection.serial == serial) {
                self.answer(place);
            }
        }
    }

    fn answer(&mut self, place: usize) {
        let Some(connection) = self.connections[place].as_mut() else { return };
        let Some(arrived_ns) = connection.arrived_ns else { return };
        // Before the answer: after it the coordinator may send the next request.
        let now = now_ns();
        if connection.answer(arrived_ns, now).is_err() {
            self.close(place);
            return;
        }
        connection.arrived_ns = None;
        let worker = connection.worker;
        *self.in_flight.get_mut(&worker).unwrap() -= 1;
        let answered_ns = now_ns();
        let mut counted = self.shared.counted.lock().unwrap();
        counted.left(answered_ns);
        counted.answered += 1;
        counted.service_ns += answered_ns - arrived_ns;
    }

    fn close(&mut self, place: usize) {
        let Some(connection) = self.connections[place].take() else { return };
        self.free.push(place);
        if connection.arrived_ns.is_some() {
            *self.in_flight.get_mut(&connection.worker).unwrap() -= 1;
            let mut counted = self.shared.counted.lock().unwrap();
            counted.left(now_ns());
            counted.abandoned += 1;
        }
    }
}
