//! A pool's state in Envoy's shared data: how a transition of the engine becomes one compare-and-swap.
//!
//! Keys of pool `p`: `slotway/1/p/root` for the image, `slotway/1/p/<region><number>` for its pages. What
//! makes several keys one atomic state is told at [`slotway_engine::Image`].

use std::fmt::Write as _;

use slotway_engine::{Abort, Image, Page, PageId, PageSource, Pool, Region};
use slotway_test_hooks::{Defect, invariant, is_seeded};

use crate::{error::FilterError, guesses::Guesses, host};

/// Attempts of one transition. Each failed one means that another lane's has succeeded, so that only a host
/// that refuses every write uses them up.
const ATTEMPTS_MAX: usize = 10_000;

/// A compare-and-swap number that the host does not hand out within its first four billion writes: stores a
/// value only where there is none. (Number 0 would store it over another lane's.)
const ONLY_IF_ABSENT: u32 = u32::MAX;

/// Changes a value that stands by itself. `change` makes of what is there what shall be there, if that is something else;
/// it is called again where another lane was faster.
pub(crate) fn exchange<R>(
    key: &str,
    mut change: impl FnMut(Option<&[u8]>) -> Result<(Option<Vec<u8>>, R), FilterError>,
) -> Result<R, FilterError> {
    for _ in 0..ATTEMPTS_MAX {
        let (before, cas) = host::shared_data(key)?.unzip();
        let (changed, result) = change(before.as_deref())?;
        let Some(after) = changed else { return Ok(result) };
        match host::set_shared_data(key, &after, cas.unwrap_or(ONLY_IF_ABSENT)) {
            Ok(_) => return Ok(result),
            Err(error) if error.is_cas_mismatch() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(FilterError::Contended)
}

/// Where one pool's state is, and what this lane knows of it.
///
/// **Skipping the read.** After an exchange the lane keeps the image that it has made, and begins the next transition with
/// it, under the compare-and-swap number that the host must have given it if nobody has written anything since. The host hands
/// numbers out in order, over all keys, and never twice (`SharedData::nextCas` of proxy-wasm-cpp-host), so a wrong number can
/// only make the exchange fail, and then the state is read as ever. Alone, a transition is one call to the host instead of two, and
/// nothing is decoded. What such a transition finds out *without* an exchange, such as a refusal, counts for nothing until it was
/// found out again from what was read: nobody has said that nobody was faster.
///
/// A host that counts otherwise makes guesses fail, and nothing else. Where guesses fail, as between lanes that are all busy, fewer and
/// fewer are made.
#[derive(Debug)]
pub(crate) struct SharedPool {
    root_key: String,
    /// The newest image that this lane has read or made; of no use after a transition that was given up.
    image: Image,
    /// The number of `image`, if it is what this lane has stored last.
    number: Option<u32>,
    guesses: Guesses,
    /// Where images are encoded.
    bytes: Vec<u8>,
    /// The pool was there before: shared data has no delete, so a host that says otherwise is not believed.
    is_known: bool,
    pages: SharedPages,
}

/// What becomes of a transition's step.
#[derive(Debug)]
pub(crate) enum Step<R> {
    /// It changed the pool: exchange the root.
    Commit(R),
    /// It changed nothing that is worth keeping.
    Leave(R),
}

/// What an attempt of a transition has come to.
#[derive(Debug)]
enum Attempt<R> {
    /// The pool is changed.
    Made(R),
    /// There was nothing to change.
    Left(R),
    /// Another lane was faster.
    Late,
}

/// The pages of one pool.
#[derive(Debug)]
pub(crate) struct SharedPages {
    prefix: String,
    key: String,
}

impl SharedPool {
    pub(crate) fn new(pool: &str) -> Self {
        let prefix = format!("slotway/1/{pool}/");
        Self {
            root_key: format!("{prefix}root"),
            image: Image::default(),
            number: None,
            guesses: Guesses::default(),
            bytes: Vec::new(),
            is_known: false,
            pages: SharedPages { prefix, key: String::new() },
        }
    }

    /// Makes a transition. `step` is called again where another lane was faster, so it must have no effect
    /// but on the pool it is given.
    pub(crate) fn transact<R>(
        &mut self,
        mut step: impl FnMut(&mut Pool<'_, SharedPages>) -> Result<Step<R>, Abort>,
    ) -> Result<R, FilterError> {
        if let Some(number) = self.number.take().filter(|_| self.guesses.may_guess()) {
            match self.attempt(number, &mut step) {
                Ok(Attempt::Made(result)) => {
                    self.guesses.note(true);
                    return Ok(result);
                }
                Ok(Attempt::Left(result)) if is_seeded(Defect::TrustGuess) => return Ok(result),
                // Neither says that somebody was faster.
                Ok(Attempt::Left(_)) | Err(_) => {}
                Ok(Attempt::Late) => self.guesses.note(false),
            }
        }
        for _ in 0..ATTEMPTS_MAX {
            let number = self.read_image()?;
            match self.attempt(number, &mut step)? {
                Attempt::Made(result) | Attempt::Left(result) => return Ok(result),
                Attempt::Late => {}
            }
        }
        Err(FilterError::Contended)
    }

    /// Looks at the pool without changing it.
    pub(crate) fn look<R>(
        &mut self,
        mut look: impl FnMut(&mut Pool<'_, SharedPages>) -> Result<R, Abort>,
    ) -> Result<R, FilterError> {
        self.number = None;
        self.transact(|pool| look(pool).map(Step::Leave))
    }

    /// Forgets the number of the image in memory. Should a number come again, four billion writes later, this lane
    /// has long forgotten it.
    pub(crate) fn forget(&mut self) {
        self.number = None;
    }

    /// Makes a step on the image in memory, and exchanges it for the one of that number.
    fn attempt<R>(
        &mut self,
        number: u32,
        step: &mut impl FnMut(&mut Pool<'_, SharedPages>) -> Result<Step<R>, Abort>,
    ) -> Result<Attempt<R>, FilterError> {
        let mut pool = Pool::new(&mut self.image, &mut self.pages);
        let result = match step(&mut pool) {
            Ok(Step::Commit(result)) => result,
            Ok(Step::Leave(result)) => return Ok(Attempt::Left(result)),
            Err(Abort::Stale) => return Ok(Attempt::Late),
            Err(abort) => return Err(abort.into()),
        };
        pool.commit();
        invariant!(self.image.root.accounts_for_all_slots(), "each slot is free, parked or out, once");
        self.image.encode_to(&mut self.bytes);
        match host::set_shared_data(&self.root_key, &self.bytes, number) {
            Ok(number) => {
                // It has happened now. What cannot be stored here is stored by the next reader, from the log.
                let stored = self.pages.store(&self.image);
                self.number = stored.ok().map(|()| number);
                self.is_known = true;
                Ok(Attempt::Made(result))
            }
            Err(error) if error.is_cas_mismatch() && is_seeded(Defect::IgnoreMismatch) => {
                Ok(Attempt::Made(result))
            }
            Err(error) if error.is_cas_mismatch() => Ok(Attempt::Late),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the newest image, every page of its log stored. Returns the number that its successor must name.
    fn read_image(&mut self) -> Result<u32, FilterError> {
        let Some((bytes, number)) = host::shared_data(&self.root_key)? else {
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

impl SharedPages {
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

    /// Stores the log's pages, except where a page at least as new is there already.
    fn store(&mut self, image: &Image) -> Result<(), FilterError> {
        if is_seeded(Defect::NoPages) {
            return Ok(());
        }
        for (id, stored) in image.stored_pages() {
            self.select(id);
            for attempt in 0.. {
                let cas = match host::shared_data(&self.key)? {
                    Some((bytes, _)) if Page::decode(&bytes)?.commit >= image.root.commit() => break,
                    Some((_, cas)) => cas,
                    None => ONLY_IF_ABSENT,
                };
                match host::set_shared_data(&self.key, &stored, cas) {
                    Ok(_) => break,
                    Err(error) if error.is_cas_mismatch() && attempt < ATTEMPTS_MAX => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

impl PageSource for SharedPages {
    fn read(&mut self, id: PageId) -> Result<Page, Abort> {
        self.select(id);
        match host::shared_data(&self.key) {
            Ok(Some((bytes, _))) => Page::decode(&bytes),
            Ok(None) => Ok(Page::default()),
            Err(error) => Err(Abort::Source(error.status)),
        }
    }
}
