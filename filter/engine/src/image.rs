//! What one compare-and-swap exchanges: a root, and the pages that its transition changed.

use crate::{Abort, Page, PageId, Root, codec::Reader};

/// The number of the layout, which is the first byte. Each change of the layout raises it.
pub const FORMAT: u8 = 2;

/// A root and the log of its transition.
///
/// The log makes a transition over several pages atomic. The pages are committed with the root, and stored under their own keys
/// afterwards, by the first lane that comes. A reader of an image must make sure that every page of the log is stored with at
/// least [`Root::commit`], before it reads any page and before it commits. Since every lane does so, only the newest image can
/// have pages that are not stored yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// The part of the state that is exchanged.
    pub root: Root,
    /// The pages that the root's transition changed, with their content.
    pub log: Vec<(PageId, Vec<u8>)>,
}

impl Image {
    /// Encodes the image.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1_024);
        self.encode_to(&mut out);
        out
    }

    /// Encodes the image into `out`, whose content it replaces.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        out.clear();
        out.push(FORMAT);
        self.root.encode(out);
        for (id, bytes) in &self.log {
            out.push(id.region as u8);
            out.extend_from_slice(&id.number.to_le_bytes());
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
    }

    /// Decodes an image.
    ///
    /// # Errors
    /// [`Abort::Format`] for the layout of another version, [`Abort::Corrupt`] for bytes that no version writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Abort> {
        let mut image = Self::default();
        image.read(bytes)?;
        Ok(image)
    }

    /// Decodes an image into this one. After an error the content is undefined.
    ///
    /// # Errors
    /// As [`Image::decode`].
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), Abort> {
        let mut reader = Reader::new(bytes);
        let found = reader.u8()?;
        if found != FORMAT {
            return Err(Abort::Format { found, known: FORMAT });
        }
        self.root.read(&mut reader)?;
        self.log.clear();
        while !reader.is_empty() {
            let id = PageId::decode(reader.u8()?, reader.u32()?)?;
            let length = reader.u32()? as usize;
            self.log.push((id, reader.bytes(length)?.to_vec()));
        }
        Ok(())
    }

    /// Returns the pages of the log as they are stored under their own keys.
    pub fn stored_pages(&self) -> impl Iterator<Item = (PageId, Vec<u8>)> + '_ {
        self.log.iter().map(|(id, bytes)| (*id, Page::encode(self.root.commit, bytes)))
    }
}
