//! A FIFO queue whose two ends lie in the root and whose middle lies in pages.
//!
//! Entries leave `front`; when it is empty the first page of the middle becomes the new front, or, with no
//! middle, the back. Entries join `back`; when it is full it becomes the last page of the middle. So one page
//! is touched in [`CHUNK`] operations, and the root never holds more than two chunks.

use crate::{Abort, PageId, PageSource, Region, codec::Reader, page::Pages};

/// Entries in a chunk: in one end of a queue, and in each of its pages.
pub const CHUNK: usize = 32;

/// Pages of one queue are numbered modulo this, so that their keys can be used again: shared data has no
/// delete.
pub const RING_PAGES: u32 = 16_384;

/// What can stand in a [`ChunkQueue`].
pub(crate) trait Entry: Copy + Default {
    const BYTES: usize;
    fn put(self, out: &mut Vec<u8>);
    fn get(reader: &mut Reader<'_>) -> Result<Self, Abort>;
}

impl Entry for u16 {
    const BYTES: usize = 2;
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, Abort> {
        reader.u16()
    }
}

/// Up to [`CHUNK`] entries in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunk<T> {
    entries: [T; CHUNK],
    first: usize,
    end: usize,
}

impl<T: Entry> Chunk<T> {
    fn empty() -> Self {
        Self { entries: [T::default(); CHUNK], first: 0, end: 0 }
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

    fn as_slice(&self) -> &[T] {
        &self.entries[self.first..self.end]
    }

    fn pop(&mut self) -> Option<T> {
        let entry = self.as_slice().first().copied()?;
        self.first += 1;
        Some(entry)
    }

    /// Appends an entry; the chunk must not be full.
    fn push(&mut self, entry: T) {
        debug_assert!(!self.is_full());
        if self.end == CHUNK {
            self.entries.copy_within(self.first.., 0);
            self.end -= self.first;
            self.first = 0;
        }
        self.entries[self.end] = entry;
        self.end += 1;
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.len() as u8);
        self.as_slice().iter().for_each(|entry| entry.put(out));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Abort> {
        let count = usize::from(reader.u8()?);
        if count > CHUNK {
            return Err(Abort::Corrupt("a chunk of too many entries"));
        }
        let mut chunk = Self::empty();
        for entry in &mut chunk.entries[..count] {
            *entry = T::get(reader)?;
        }
        chunk.end = count;
        Ok(chunk)
    }
}

/// The queue: see the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkQueue<T> {
    front: Chunk<T>,
    back: Chunk<T>,
    /// Numbers of the middle's pages, `first..end`, each with exactly [`CHUNK`] entries. They wrap.
    middle_first: u32,
    middle_end: u32,
}

impl<T: Entry> ChunkQueue<T> {
    pub(crate) fn empty() -> Self {
        Self { front: Chunk::empty(), back: Chunk::empty(), middle_first: 0, middle_end: 0 }
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
            pages.replace(id, encode_page(self.middle_end, self.back.as_slice()));
            self.middle_end = self.middle_end.wrapping_add(1);
            self.back = Chunk::empty();
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
            self.front = std::mem::replace(&mut self.back, Chunk::empty());
            return Ok(());
        }
        self.front = decode_page(self.middle_first, pages.read(page_id(region, self.middle_first))?)?;
        self.middle_first = self.middle_first.wrapping_add(1);
        if self.middle_pages() == 0 {
            // Start again at the ring's beginning: a queue that stays short keeps few keys.
            (self.middle_first, self.middle_end) = (0, 0);
        }
        Ok(())
    }

    /// The entry at the head, without a look at any page: `None` also where the head lies in a page.
    pub(crate) fn peek(&self) -> Option<T> {
        self.front.as_slice().first().copied().or_else(|| {
            let head_in_back = self.middle_pages() == 0;
            self.back.as_slice().first().copied().filter(|_| head_in_back)
        })
    }

    /// Changes the entry at `index` from the head by `change`, which says whether it did.
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
            return Ok(change(&mut self.front.entries[self.front.first + index]));
        }
        if index < front + middle {
            let at = index - front;
            let number = self.middle_first.wrapping_add((at / CHUNK) as u32);
            let id = page_id(region, number);
            let mut chunk: Chunk<T> = decode_page(number, pages.read(id)?)?;
            let changed = change(&mut chunk.entries[at % CHUNK]);
            if changed {
                pages.replace(id, encode_page(number, chunk.as_slice()));
            }
            return Ok(changed);
        }
        match self.back.entries[self.back.first..self.back.end].get_mut(index - front - middle) {
            Some(entry) => Ok(change(entry)),
            None => Ok(false),
        }
    }

    /// Calls `visit` with every entry, head first.
    pub(crate) fn for_each<S: PageSource>(
        &self,
        region: Region,
        pages: &mut Pages<'_, S>,
        mut visit: impl FnMut(T),
    ) -> Result<(), Abort> {
        self.front.as_slice().iter().copied().for_each(&mut visit);
        let mut number = self.middle_first;
        while number != self.middle_end {
            let chunk: Chunk<T> = decode_page(number, pages.read(page_id(region, number))?)?;
            chunk.as_slice().iter().copied().for_each(&mut visit);
            number = number.wrapping_add(1);
        }
        self.back.as_slice().iter().copied().for_each(&mut visit);
        Ok(())
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.front.encode(out);
        self.back.encode(out);
        out.extend_from_slice(&self.middle_first.to_le_bytes());
        out.extend_from_slice(&self.middle_end.to_le_bytes());
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Abort> {
        let queue = Self {
            front: Chunk::decode(reader)?,
            back: Chunk::decode(reader)?,
            middle_first: reader.u32()?,
            middle_end: reader.u32()?,
        };
        if queue.middle_pages() > RING_PAGES {
            return Err(Abort::Corrupt("a queue of too many pages"));
        }
        Ok(queue)
    }
}

fn page_id(region: Region, number: u32) -> PageId {
    PageId::new(region, number % RING_PAGES)
}

/// A page names itself, so that one from an earlier round of the ring is never taken for it.
fn encode_page<T: Entry>(number: u32, entries: &[T]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + CHUNK * T::BYTES);
    bytes.extend_from_slice(&number.to_le_bytes());
    entries.iter().for_each(|entry| entry.put(&mut bytes));
    bytes
}

fn decode_page<T: Entry>(number: u32, bytes: &[u8]) -> Result<Chunk<T>, Abort> {
    let mut reader = Reader::new(bytes);
    if reader.u32()? != number {
        return Err(Abort::Corrupt("a queue's page is not the one it should be"));
    }
    let mut chunk = Chunk::empty();
    for entry in &mut chunk.entries {
        *entry = T::get(&mut reader)?;
    }
    chunk.end = CHUNK;
    Ok(chunk)
}
