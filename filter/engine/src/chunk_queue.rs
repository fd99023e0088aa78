//! A FIFO queue whose two ends are in the root and whose middle is in pages.
//!
//! Entries leave `front`. When it is empty, the first page of the middle becomes the new front, or, without a middle, the back.
//! Entries join `back`. When it is full, it becomes the last page of the middle. So one page is used in [`CHUNK`] operations,
//! and the root never holds more than two chunks.

use std::fmt;

use slotway_test_hooks::invariant;

use crate::{Abort, PageId, PageSource, Region, codec::Reader, page::Pages};

/// Entries in a chunk: in one end of a queue, and in each of its pages.
pub const CHUNK: usize = 32;

/// The number of page keys of one queue. Pages use the keys in turn, because shared data has no delete.
pub const RING_PAGES: u32 = 16_384;

/// An entry of a [`ChunkQueue`].
///
/// Entries are kept as the bytes that are exchanged, so that a few copies read or write a root. A transition writes one root,
/// reads at most one, and uses two entries of it.
pub(crate) trait Entry: Copy {
    /// The entry as bytes.
    type Raw: Copy + Default;
    fn pack(self) -> Self::Raw;
    fn unpack(raw: Self::Raw) -> Self;
    fn bytes(raws: &[Self::Raw]) -> &[u8];
    fn bytes_mut(raws: &mut [Self::Raw]) -> &mut [u8];
}

impl Entry for u16 {
    type Raw = [u8; 2];

    fn pack(self) -> Self::Raw {
        self.to_le_bytes()
    }

    fn unpack(raw: Self::Raw) -> Self {
        Self::from_le_bytes(raw)
    }

    fn bytes(raws: &[Self::Raw]) -> &[u8] {
        raws.as_flattened()
    }

    fn bytes_mut(raws: &mut [Self::Raw]) -> &mut [u8] {
        raws.as_flattened_mut()
    }
}

/// Up to [`CHUNK`] entries in order.
#[derive(Clone, Copy)]
struct Chunk<T: Entry> {
    entries: [T::Raw; CHUNK],
    first: usize,
    end: usize,
}

impl<T: Entry> PartialEq for Chunk<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl<T: Entry> Eq for Chunk<T> {}

impl<T: Entry + fmt::Debug> fmt::Debug for Chunk<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Entry> Chunk<T> {
    fn empty() -> Self {
        Self { entries: [T::Raw::default(); CHUNK], first: 0, end: 0 }
    }

    fn clear(&mut self) {
        (self.first, self.end) = (0, 0);
    }

    fn len(&self) -> usize {
        self.end - self.first
    }

    fn is_empty(&self) -> bool {
        self.first == self.end
    }

    fn is_full(&self) -> bool {
        self.len() == CHUNK
    }

    fn as_slice(&self) -> &[T::Raw] {
        &self.entries[self.first..self.end]
    }

    fn bytes(&self) -> &[u8] {
        T::bytes(self.as_slice())
    }

    fn iter(&self) -> impl Iterator<Item = T> {
        self.as_slice().iter().copied().map(T::unpack)
    }

    fn first(&self) -> Option<T> {
        self.as_slice().first().copied().map(T::unpack)
    }

    fn pop(&mut self) -> Option<T> {
        let entry = self.first()?;
        self.first += 1;
        Some(entry)
    }

    /// Changes the entry at `at` from the first. Returns what `change` returns: whether it changed the entry.
    fn update(&mut self, at: usize, change: impl FnOnce(&mut T) -> bool) -> bool {
        let Some(raw) = self.entries[self.first..self.end].get_mut(at) else { return false };
        let mut entry = T::unpack(*raw);
        let changed = change(&mut entry);
        *raw = entry.pack();
        changed
    }

    /// Appends an entry; the chunk must not be full.
    fn push(&mut self, entry: T) {
        invariant!(!self.is_full(), "a chunk that gets an entry has room for it");
        if self.end == CHUNK {
            self.entries.copy_within(self.first.., 0);
            self.end -= self.first;
            self.first = 0;
        }
        self.entries[self.end] = entry.pack();
        self.end += 1;
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.len() as u8);
        out.extend_from_slice(self.bytes());
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Abort> {
        let count = usize::from(reader.u8()?);
        if count > CHUNK {
            return Err(Abort::Corrupt("a chunk has too many entries"));
        }
        self.fill(count, reader)
    }

    /// Reads the next `count` entries.
    fn fill(&mut self, count: usize, reader: &mut Reader<'_>) -> Result<(), Abort> {
        (self.first, self.end) = (0, count);
        let bytes = T::bytes_mut(&mut self.entries[..count]);
        bytes.copy_from_slice(reader.bytes(bytes.len())?);
        Ok(())
    }
}

/// The queue; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkQueue<T: Entry> {
    front: Chunk<T>,
    back: Chunk<T>,
    /// The numbers of the middle's pages, `first..end`, which wrap. Each page has exactly [`CHUNK`] entries.
    middle_first: u32,
    middle_end: u32,
}

impl<T: Entry> ChunkQueue<T> {
    pub(crate) fn empty() -> Self {
        Self { front: Chunk::empty(), back: Chunk::empty(), middle_first: 0, middle_end: 0 }
    }

    /// Removes all entries.
    pub(crate) fn clear(&mut self) {
        self.front.clear();
        self.back.clear();
        (self.middle_first, self.middle_end) = (0, 0);
    }

    pub(crate) fn len(&self) -> usize {
        self.front.len() + self.middle_pages() as usize * CHUNK + self.back.len()
    }

    fn middle_pages(&self) -> u32 {
        self.middle_end.wrapping_sub(self.middle_first)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.front.is_empty() && self.back.is_empty() && self.middle_pages() == 0
    }

    pub(crate) fn push<S: PageSource>(
        &mut self,
        entry: T,
        region: Region,
        pages: &mut Pages<'_, S>,
    ) -> Result<(), Abort> {
        if self.middle_pages() == 0 && self.back.is_empty() && !self.front.is_full() {
            self.front.push(entry);
            return Ok(());
        }
        if self.back.is_full() {
            if self.middle_pages() >= RING_PAGES {
                return Err(Abort::NoRoom);
            }
            let id = page_id(region, self.middle_end);
            pages.replace(id, encode_page(self.middle_end, &self.back));
            self.middle_end = self.middle_end.wrapping_add(1);
            self.back.clear();
        }
        self.back.push(entry);
        Ok(())
    }

    pub(crate) fn pop<S: PageSource>(
        &mut self,
        region: Region,
        pages: &mut Pages<'_, S>,
    ) -> Result<Option<T>, Abort> {
        if self.front.is_empty() {
            self.refill(region, pages)?;
        }
        Ok(self.front.pop())
    }

    fn refill<S: PageSource>(&mut self, region: Region, pages: &mut Pages<'_, S>) -> Result<(), Abort> {
        if self.middle_pages() == 0 {
            std::mem::swap(&mut self.front, &mut self.back);
            self.back.clear();
            return Ok(());
        }
        self.front = decode_page(self.middle_first, pages.read(page_id(region, self.middle_first))?)?;
        self.middle_first = self.middle_first.wrapping_add(1);
        if self.middle_pages() == 0 {
            // Begin at the first key again, so that a short queue uses few keys.
            (self.middle_first, self.middle_end) = (0, 0);
        }
        Ok(())
    }

    /// Returns the entry at the head without reading a page; `None` also where the head is in a page.
    pub(crate) fn peek(&self) -> Option<T> {
        self.front.first().or_else(|| {
            let head_in_back = self.middle_pages() == 0;
            self.back.first().filter(|_| head_in_back)
        })
    }

    /// Changes the entry at `index` from the head. Returns what `change` returns: whether it changed the entry.
    pub(crate) fn update<S: PageSource>(
        &mut self,
        index: usize,
        region: Region,
        pages: &mut Pages<'_, S>,
        change: impl FnOnce(&mut T) -> bool,
    ) -> Result<bool, Abort> {
        let front = self.front.len();
        let middle = self.middle_pages() as usize * CHUNK;
        if index < front {
            return Ok(self.front.update(index, change));
        }
        if index < front + middle {
            let at = index - front;
            let number = self.middle_first.wrapping_add((at / CHUNK) as u32);
            let id = page_id(region, number);
            let mut chunk: Chunk<T> = decode_page(number, pages.read(id)?)?;
            let changed = chunk.update(at % CHUNK, change);
            if changed {
                pages.replace(id, encode_page(number, &chunk));
            }
            return Ok(changed);
        }
        Ok(self.back.update(index - front - middle, change))
    }

    /// Calls `visit` with each entry, from the head on.
    pub(crate) fn for_each<S: PageSource>(
        &self,
        region: Region,
        pages: &mut Pages<'_, S>,
        mut visit: impl FnMut(T),
    ) -> Result<(), Abort> {
        self.front.iter().for_each(&mut visit);
        let mut number = self.middle_first;
        while number != self.middle_end {
            let chunk: Chunk<T> = decode_page(number, pages.read(page_id(region, number))?)?;
            chunk.iter().for_each(&mut visit);
            number = number.wrapping_add(1);
        }
        self.back.iter().for_each(&mut visit);
        Ok(())
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.front.encode(out);
        self.back.encode(out);
        out.extend_from_slice(&self.middle_first.to_le_bytes());
        out.extend_from_slice(&self.middle_end.to_le_bytes());
    }

    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Abort> {
        self.front.read(reader)?;
        self.back.read(reader)?;
        (self.middle_first, self.middle_end) = (reader.u32()?, reader.u32()?);
        if self.middle_pages() > RING_PAGES {
            return Err(Abort::Corrupt("a queue of too many pages"));
        }
        Ok(())
    }
}

fn page_id(region: Region, number: u32) -> PageId {
    PageId::new(region, number % RING_PAGES)
}

/// Encodes a page. It contains its number, so that a page from an earlier round of the keys is recognised.
fn encode_page<T: Entry>(number: u32, chunk: &Chunk<T>) -> Vec<u8> {
    [&number.to_le_bytes(), chunk.bytes()].concat()
}

fn decode_page<T: Entry>(number: u32, bytes: &[u8]) -> Result<Chunk<T>, Abort> {
    let mut reader = Reader::new(bytes);
    if reader.u32()? != number {
        return Err(Abort::Corrupt("a queue's page is not the one it should be"));
    }
    let mut chunk = Chunk::empty();
    chunk.fill(CHUNK, &mut reader)?;
    Ok(chunk)
}
