//! A pool's state: how a transition of the engine becomes one compare-and-swap.
//!
//! [`slotway_engine::Image`] says how several keys form one atomic state.

use std::fmt::Write as _;

use slotway_engine::{Abort, Image, Page, PageId, PageSource, PoolTransition, Region};
use slotway_test_hooks::{Defect, invariant, is_seeded};

use super::{
    exchange::{ATTEMPTS_MAX, ONLY_IF_ABSENT},
    guesses::Guesses,
};
use crate::{error::FilterError, host::Host};

/// A pool's state, as one lane reads and changes it.
///
/// **Skipping the read.** After an exchange the lane keeps the image that it has stored. It begins the next transition with
/// this image, under the compare-and-swap number that the host must have given it if no lane has written since. The host
/// gives its numbers in order, over all keys, and never twice (`SharedData::nextCas` of proxy-wasm-cpp-host). So a wrong
/// number can only make the exchange fail, and then the state is read as usual. A lane that is alone makes one host call
/// for a transition instead of two, and decodes nothing.
///
/// A result without an exchange, such as a refusal, may be stale if it comes from the kept image. It is computed again after
/// a fresh read.
///
/// With a host that counts in another way guesses fail, and nothing else happens. Where guesses fail, as between busy lanes,
/// fewer are made ([`Guesses`]).
#[derive(Debug)]
pub(crate) struct SharedPool<H> {
    root_key: String,
    /// The newest image that this lane has read or stored. It is invalid after a transition that was not committed.
    image: Image,
    /// The number of `image`, if this lane has stored it last.
    number: Option<u32>,
    guesses: Guesses,
    /// The buffer in which images are encoded.
    bytes: Vec<u8>,
    /// The pool existed before. Shared data has no delete, so a host that has no value any more is wrong.
    is_known: bool,
    pages: SharedPages<H>,
}

/// The result of a transition's step.
#[derive(Debug)]
pub(crate) enum Step<R> {
    /// It changed the pool: exchange the root.
    Commit(R),
    /// It changed nothing that has to be stored.
    Leave(R),
}

/// The result of one attempt of a transition.
#[derive(Debug)]
enum Attempt<R> {
    /// The pool is changed.
    Committed(R),
    /// There was nothing to change.
    Unchanged(R),
    /// Another lane has changed the pool meanwhile.
    Conflict,
}

/// The pages of one pool.
#[derive(Debug)]
pub(crate) struct SharedPages<H> {
    host: H,
    prefix: String,
    key: String,
}

impl<H: Host> SharedPool<H> {
    pub(crate) fn new(host: H, pool: &str) -> Self {
        let prefix = format!("slotway/1/{pool}/");
        Self {
            root_key: format!("{prefix}root"),
            image: Image::default(),
            number: None,
            guesses: Guesses::default(),
            bytes: Vec::new(),
            is_known: false,
            pages: SharedPages { host, prefix, key: String::new() },
        }
    }

    /// Makes a transition. `step` is called again if another lane has changed the pool meanwhile, so it must change nothing
    /// but the pool that it is given.
    pub(crate) fn transact<R>(
        &mut self,
        mut step: impl FnMut(&mut PoolTransition<'_, SharedPages<H>>) -> Result<Step<R>, Abort>,
    ) -> Result<R, FilterError> {
        if let Some(number) = self.number.take().filter(|_| self.guesses.may_guess()) {
            match self.attempt(number, &mut step) {
                Ok(Attempt::Committed(result)) => {
                    self.guesses.note(true);
                    return Ok(result);
                }
                Ok(Attempt::Unchanged(result)) if is_seeded(Defect::TrustGuess) => return Ok(result),
                // A result without an exchange, and an error, may be due to a stale image.
                Ok(Attempt::Unchanged(_)) | Err(_) => {}
                Ok(Attempt::Conflict) => self.guesses.note(false),
            }
        }
        for _ in 0..ATTEMPTS_MAX {
            let number = self.read_image()?;
            match self.attempt(number, &mut step)? {
                Attempt::Committed(result) | Attempt::Unchanged(result) => return Ok(result),
                Attempt::Conflict => {}
            }
        }
        Err(FilterError::Contended)
    }

    /// Reads the pool without changing it.
    pub(crate) fn look<R>(
        &mut self,
        mut look: impl FnMut(&mut PoolTransition<'_, SharedPages<H>>) -> Result<R, Abort>,
    ) -> Result<R, FilterError> {
        self.number = None;
        self.transact(|pool| look(pool).map(Step::Leave))
    }

    /// Forgets the number of the kept image. The host's numbers repeat after four billion writes; each lane forgets its own
    /// long before.
    pub(crate) fn forget(&mut self) {
        self.number = None;
    }

    /// Makes a step on the kept image, and exchanges the result for the image of that number.
    fn attempt<R>(
        &mut self,
        number: u32,
        step: &mut impl FnMut(&mut PoolTransition<'_, SharedPages<H>>) -> Result<Step<R>, Abort>,
    ) -> Result<Attempt<R>, FilterError> {
        let mut pool = PoolTransition::new(&mut self.image, &mut self.pages);
        let result = match step(&mut pool) {
            Ok(Step::Commit(result)) => result,
            Ok(Step::Leave(result)) => return Ok(Attempt::Unchanged(result)),
            Err(Abort::Stale) => return Ok(Attempt::Conflict),
            Err(abort) => return Err(abort.into()),
        };
        pool.commit();
        invariant!(self.image.root.accounts_for_all_slots(), "each slot is free, parked or out, once");
        self.image.encode_to(&mut self.bytes);
        match self.pages.host.set_shared_data(&self.root_key, &self.bytes, number) {
            Ok(number) => {
                // The transition is committed. The next reader stores, from the log, any page that fails here.
                let stored = self.pages.store(&self.image);
                self.number = stored.ok().map(|()| number);
                self.is_known = true;
                Ok(Attempt::Committed(result))
            }
            Err(error) if error.is_cas_mismatch() && is_seeded(Defect::IgnoreMismatch) => {
                Ok(Attempt::Committed(result))
            }
            Err(error) if error.is_cas_mismatch() => Ok(Attempt::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the newest image and stores each page of its log. Returns the number that the next exchange must name.
    fn read_image(&mut self) -> Result<u32, FilterError> {
        let Some((bytes, number)) = self.pages.host.shared_data(&self.root_key)? else {
            if self.is_known {
                return Err(FilterError::PoolGone);
            }
            self.image = Image::default();
            return Ok(ONLY_IF_ABSENT);
        };
        self.is_known = true;
        self.image.read(&bytes)?;
        self.pages.store(&self.image)?;
        Ok(number)
    }
}

impl<H: Host> SharedPages<H> {
    fn select(&mut self, id: PageId) {
        let region = match id.region {
            Region::Free => 'f',
            Region::Line => 'l',
            Region::Worker => 'w',
            Region::Name => 'n',
            Region::Ledger => 'h',
        };
        self.key.clear();
        // Writing to a String cannot fail.
        let _ = write!(self.key, "{}{region}{}", self.prefix, id.number);
    }

    /// Stores the pages of the log, except where a page is stored that is at least as new.
    fn store(&mut self, image: &Image) -> Result<(), FilterError> {
        if is_seeded(Defect::NoPages) {
            return Ok(());
        }
        for (id, stored) in image.stored_pages() {
            self.select(id);
            for attempt in 0.. {
                let cas = match self.host.shared_data(&self.key)? {
                    Some((bytes, _)) if Page::decode(&bytes)?.commit >= image.root.commit() => break,
                    Some((_, cas)) => cas,
                    None => ONLY_IF_ABSENT,
                };
                match self.host.set_shared_data(&self.key, &stored, cas) {
                    Ok(_) => break,
                    Err(error) if error.is_cas_mismatch() && attempt < ATTEMPTS_MAX => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

impl<H: Host> PageSource for SharedPages<H> {
    fn read(&mut self, id: PageId) -> Result<Page, Abort> {
        self.select(id);
        match self.host.shared_data(&self.key) {
            Ok(Some((bytes, _))) => Page::decode(&bytes),
            Ok(None) => Ok(Page::default()),
            Err(error) => Err(Abort::Source(error.status)),
        }
    }
}
