use std::{io, os::fd::AsFd};

use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    fd::OwnedFd,
    io::Errno,
    thread::set_current_timer_slack,
};

use crate::clock::{now_ns, timespec};

const EVENTS: usize = 256;

/// What a thread waits for: bytes on its sockets, and one point in time, to the microsecond. The runtime's own timers, of a millisecond, are too
/// coarse for jobs of two, and its tasks cost more than a proxy that shall be measured.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    /// For the thread that calls this, whose timers become exact.
    pub(crate) fn new() -> io::Result<Self> {
        set_current_timer_slack(std::num::NonZeroU64::new(1))?;
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(EVENTS) })
    }

    /// Tells of what can be read from `socket`, by its `token`, until it is closed.
    pub(crate) fn add(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(token), EventFlags::IN | EventFlags::RDHUP)?)
    }

    /// Waits, no longer than until `due_ns`, and gives the tokens of the sockets that have something.
    pub(crate) fn wait(&mut self, due_ns: Option<u64>, tokens: &mut Vec<u64>) -> io::Result<()> {
        self.events.clear();
        let timeout = due_ns.map(|due| timespec(due.saturating_sub(now_ns())));
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        tokens.clear();
        tokens.extend(self.events.drain(..).map(|event| {
            let data = event.data;
            data.u64()
        }));
        Ok(())
    }
}
