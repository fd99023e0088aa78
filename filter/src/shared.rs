//! A pool's state in Envoy's shared data: how a transition of the engine becomes one compare-and-swap.
//!
//! Keys of pool `p`: `slotway/1/p/root` for the image, `slotway/1/p/<region><number>` for its pages. What
//! makes several keys one atomic state is told at [`slotway_engine::Image`].

use std::fmt::Write as _;

use slotway_engine::{
    Abort, Image, Page, PageId, PageSource, Pool, Region, Root,
    mutant::{Mutant, active},
};

use crate::{error::FilterError, host};

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
            Ok(()) => return Ok(result),
            Err(error) if error.is_cas_mismatch() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(FilterError::Contended)
}

/// Where one pool's state is.
#[derive(Debug)]
pub(crate) struct SharedPool {
    root_key: String,
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
        for _ in 0..ATTEMPTS_MAX {
            let (root, cas) = self.read_root()?;
            let mut pool = Pool::new(root, &mut self.pages);
            let result = match step(&mut pool) {
                Ok(Step::Commit(result)) => result,
                Ok(Step::Leave(result)) => return Ok(result),
                Err(Abort::Stale) => continue,
                Err(abort) => return Err(abort.into()),
            };
            let image = pool.commit();
            match host::set_shared_data(&self.root_key, &image.encode(), cas) {
                Ok(()) => {
                    // It has happened now. What cannot be stored here is stored by the next reader, from the
                    // log.
                    let _ = self.pages.store(&image);
                    return Ok(result);
                }
                Err(error) if error.is_cas_mismatch() && active(Mutant::IgnoreMismatch) => return Ok(result),
                Err(error) if error.is_cas_mismatch() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(FilterError::Contended)
    }

    /// Looks at the pool without changing it.
    pub(crate) fn look<R>(
        &mut self,
        mut look: impl FnMut(&mut Pool<'_, SharedPages>) -> Result<R, Abort>,
    ) -> Result<R, FilterError> {
        self.transact(|pool| look(pool).map(Step::Leave))
    }

    /// The newest root, every page of its log stored, and the number that its successor must name.
    fn read_root(&mut self) -> Result<(Root, u32), FilterError> {
        let Some((bytes, cas)) = host::shared_data(&self.root_key)? else {
            return if self.is_known {
                Err(FilterError::PoolGone)
            } else {
                Ok((Root::new(), ONLY_IF_ABSENT))
            };
        };
        self.is_known = true;
        let image = Image::decode(&bytes)?;
        self.pages.store(&image)?;
        Ok((image.root, cas))
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
        if active(Mutant::NoPages) {
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
                    Ok(()) => break,
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
