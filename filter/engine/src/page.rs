//! Pages: the large part of a pool's state, and where it is read from.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{abort::Abort, codec::Reader};

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Region {
    /// The middle of the free queue.
    Free = 0,
    /// The middle of the waiting line.
    Line = 1,
    /// Worker records.
    Worker = 2,
    /// The name (base URL) of one worker, so that a lane with an older or newer configuration finds it too.
    Name = 3,
    /// The ledger's slots that have been out for long.
    Ledger = 4,
}

/// The key of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId {
    /// What it holds.
    pub region: Region,
    /// Its number within the region.
    pub number: u32,
}

impl PageId {
    pub(crate) const fn new(region: Region, number: u32) -> Self {
        Self { region, number }
    }

    pub(crate) fn decode(region: u8, number: u32) -> Result<Self, Abort> {
        let region = match region {
            0 => Region::Free,
            1 => Region::Line,
            2 => Region::Worker,
            3 => Region::Name,
            4 => Region::Ledger,
            _ => return Err(Abort::Corrupt("a page has an unknown region")),
        };
        Ok(Self { region, number })
    }
}

/// A page's content and the commit that wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// [`crate::Root::commit`] of the transition that wrote it; 0 for a page that was never written.
    pub commit: u64,
    /// Its content; empty for a page that was never written.
    pub bytes: Vec<u8>,
}

impl Page {
    /// Encodes a page as it is stored: the commit, then the content.
    #[must_use]
    pub fn encode(commit: u64, content: &[u8]) -> Vec<u8> {
        let mut stored = Vec::with_capacity(8 + content.len());
        stored.extend_from_slice(&commit.to_le_bytes());
        stored.extend_from_slice(content);
        stored
    }

    /// Decodes a stored page.
    ///
    /// # Errors
    /// [`Abort::Corrupt`] where it is too short.
    pub fn decode(stored: &[u8]) -> Result<Self, Abort> {
        let commit = Reader::new(stored).u64()?;
        Ok(Self { commit, bytes: stored.get(8..).unwrap_or_default().to_vec() })
    }
}

/// The source of pages.
pub trait PageSource {
    /// Reads a page. A page that was never written is [`Page::default`].
    ///
    /// # Errors
    /// [`Abort::Source`] where it cannot be read.
    fn read(&mut self, id: PageId) -> Result<Page, Abort>;
}

/// The pages that one transition has read or changed.
pub(crate) struct Pages<'s, S> {
    source: &'s mut S,
    commit: u64,
    open: BTreeMap<PageId, OpenPage>,
}

struct OpenPage {
    bytes: Vec<u8>,
    changed: bool,
}

impl<'s, S: PageSource> Pages<'s, S> {
    /// Returns the pages that belong to a root of this commit.
    pub(crate) fn new(source: &'s mut S, commit: u64) -> Self {
        Self { source, commit, open: BTreeMap::new() }
    }

    pub(crate) fn read(&mut self, id: PageId) -> Result<&[u8], Abort> {
        self.open(id).map(|page| page.bytes.as_slice())
    }

    /// Returns the content of a page, to be changed.
    pub(crate) fn change(&mut self, id: PageId) -> Result<&mut Vec<u8>, Abort> {
        let page = self.open(id)?;
        page.changed = true;
        Ok(&mut page.bytes)
    }

    /// Replaces the content of a page.
    pub(crate) fn replace(&mut self, id: PageId, bytes: Vec<u8>) {
        self.open.insert(id, OpenPage { bytes, changed: true });
    }

    /// Replaces the content of `log` with the changed pages.
    pub(crate) fn changes_to(self, log: &mut Vec<(PageId, Vec<u8>)>) {
        log.clear();
        let changed = self.open.into_iter().filter(|(_, page)| page.changed);
        log.extend(changed.map(|(id, page)| (id, page.bytes)));
    }

    fn open(&mut self, id: PageId) -> Result<&mut OpenPage, Abort> {
        match self.open.entry(id) {
            Entry::Occupied(page) => Ok(page.into_mut()),
            Entry::Vacant(place) => {
                let page = self.source.read(id)?;
                if page.commit > self.commit {
                    return Err(Abort::Stale);
                }
                Ok(place.insert(OpenPage { bytes: page.bytes, changed: false }))
            }
        }
    }
}
