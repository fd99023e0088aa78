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

/// Waits for bytes on sockets, and for one point in time with microsecond precision. The runtime's own timers have a
/// precision of a millisecond, which is too coarse for jobs of two, and its tasks cost more than a measured proxy.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    /// Creates it for the calling thread, and makes the timers of that thread precise.
    pub(crate) fn new() -> io::Result<Self> {
        set_current_timer_slack(std::num::NonZeroU64::new(1))?;
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(EVENTS) })
    }

    /// Reports readable bytes of `socket` by its `token`, until it is closed.
    pub(crate) fn add(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(token), EventFlags::IN | EventFlags::RDHUP)?)
    }

    /// Waits until `due_ns` at most, and returns the tokens of the readable sockets.
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
