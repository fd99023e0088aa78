//! The requests of a lane: admission, waiting, answers, local replies.
//!
//! This component knows the streams and the waiters. It takes slots, and never returns one: what has to become of a slot
//! is the result of its functions ([`EndedSlot`]), and [`crate::grants`] does it.

mod admission;
mod answers;
mod local_replies;
mod stream;
mod waiting;

use std::{cmp::Reverse, collections::BinaryHeap};

use rustc_hash::FxHashMap;
use slotway_engine::{Serial, Ticket};
use slotway_policy::{Backoff, SlotFate};

pub(crate) use admission::Admission;
pub(crate) use stream::{HeldSlot, Phase};
pub(crate) use waiting::Leave;

use crate::{host::Host, lane_core::LaneCore, pools::PoolIndex};
use local_replies::PendingReplies;
use stream::Stream;

/// A slot whose request is over, and what becomes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndedSlot {
    pub(crate) pool: PoolIndex,
    pub(crate) serial: Serial,
    pub(crate) fate: SlotFate,
    /// Envoy closes the request's connection to the worker once the running callback has returned.
    pub(crate) closes: bool,
}

/// The requests of a lane.
#[derive(Default)]
pub(crate) struct Requests {
    streams: FxHashMap<u32, Stream>,
    /// Waiters' deadlines and streams. Entries of waiters that have left the line are skipped.
    deadlines: BinaryHeap<Reverse<(u64, u32)>>,
    /// Local replies that are sent after the running callback.
    pending_replies: PendingReplies,
    /// Waiters that could not leave the line because a host call failed.
    unleft: Vec<(PoolIndex, Ticket)>,
    retry: Backoff,
}

impl Requests {
    /// Returns whether a context has a stream that has not ended.
    pub(crate) fn contains(&self, context: u32) -> bool {
        self.streams.contains_key(&context)
    }

    /// Returns when something is due: a deadline, a retry or a pending local reply.
    pub(crate) fn due_ms(&self) -> u64 {
        if self.pending_replies.need_tick() {
            return 0;
        }
        let mut due_ms = self.deadlines.peek().map_or(u64::MAX, |Reverse((at_ms, _))| *at_ms);
        if !self.unleft.is_empty() {
            due_ms = due_ms.min(self.retry.at_ms());
        }
        due_ms
    }

    /// Returns the serials of the slots that requests of a pool hold.
    pub(crate) fn held_serials(&self, pool: PoolIndex) -> impl Iterator<Item = Serial> + '_ {
        self.streams.values().filter(move |stream| stream.pool == pool).filter_map(|stream| {
            match &stream.phase {
                Phase::Running(held) => Some(held.serial),
                Phase::Waiting { .. } | Phase::Done => None,
            }
        })
    }

    /// Notes the slot that a stream's mark names now.
    pub(crate) fn set_mark(&mut self, context: u32, serial: Serial) {
        if let Some(stream) = self.streams.get_mut(&context) {
            stream.mark = Some(serial);
        }
    }

    /// Notes the new place in the line of a waiter that has joined it again.
    pub(crate) fn set_ticket(&mut self, context: u32, new: Ticket) {
        if let Some(stream) = self.streams.get_mut(&context)
            && let Phase::Waiting { ticket, .. } = &mut stream.phase
        {
            *ticket = new;
        }
    }

    /// Returns whether the waiting streams and the pools' waiters of this lane are the same requests.
    pub(crate) fn agree_with_pools<H: Host>(&self, core: &LaneCore<H>) -> bool {
        let is_waiter = |context: &u32, pool: PoolIndex, ticket: Ticket| {
            core.pools.get(pool).and_then(|pool| pool.waiters.get(&ticket)) == Some(context)
        };
        let waiting = self.streams.iter().filter_map(|(context, stream)| match stream.phase {
            Phase::Waiting { ticket, .. } => Some(is_waiter(context, stream.pool, ticket)),
            Phase::Running(_) | Phase::Done => None,
        });
        let waiting: Vec<_> = waiting.collect();
        let waiters: usize = core.pools.iter().map(|pool| pool.waiters.len()).sum();
        waiting.len() == waiters && waiting.iter().all(|is_waiter| *is_waiter)
    }
}
