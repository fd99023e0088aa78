//! Messages as bytes whose long part is encoded once and shared by all streams. A thousand nodes that are sent the same cost
//! neither a thousand encodings nor a thousand copies.

use bytes::Bytes;
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint},
};

/// One message: bytes of its own, followed by bytes that it may share with others.
#[derive(Debug, Clone, Default)]
pub struct Encoded {
    own: Vec<u8>,
    shared: Bytes,
}

impl Encoded {
    /// Returns a text whose end may be shared.
    #[must_use]
    pub fn text(own: String, shared: Bytes) -> Self {
        Self { own: own.into_bytes(), shared }
    }

    /// Returns a message that is shared as a whole.
    #[must_use]
    pub fn shared(shared: Bytes) -> Self {
        Self { own: Vec::new(), shared }
    }

    /// Returns the part that may be shared with other messages.
    #[must_use]
    pub fn shared_part(&self) -> &Bytes {
        &self.shared
    }

    fn len(&self) -> usize {
        self.own.len() + self.shared.len()
    }

    /// Returns the message that has this one in its field `tag`, behind the fields of `others`. Fields may come in any order.
    /// <https://protobuf.dev/programming-guides/encoding/#order>
    #[must_use]
    pub fn within(self, others: &impl Message, tag: u32) -> Self {
        let mut own = others.encode_to_vec();
        field(&mut own, tag, self.len());
        own.extend(self.own);
        Self { own, shared: self.shared }
    }

    /// Returns all bytes in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        [&self.own[..], &self.shared].concat()
    }
}

/// Writes the key and the length of a field of `len` bytes.
pub(crate) fn field(bytes: &mut Vec<u8>, tag: u32, len: usize) {
    encode_key(tag, WireType::LengthDelimited, bytes);
    encode_varint(len as u64, bytes);
}

/// A message as gRPC sends it: its length, then its bytes in pieces.
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The first piece, which begins with the length.
    first: Option<Vec<u8>>,
    pieces: Vec<Bytes>,
    /// The piece that is being written.
    open: Vec<u8>,
}

/// Flag "not compressed", then the length of the message.
const PREFIX: [u8; 5] = [0; 5];
/// Shared parts below this are copied, since a piece of its own costs more.
const SHARED_BYTES_MIN: usize = 1_024;

impl Frame {
    /// Begins a message with these fields.
    pub(crate) fn new(fields: &impl Message) -> Self {
        let mut open = PREFIX.to_vec();
        open.extend(fields.encode_to_vec());
        Self { first: None, pieces: Vec::new(), open }
    }

    /// Adds fields that are encoded with their tags.
    pub(crate) fn fields(&mut self, fields: &Bytes) {
        if fields.len() < SHARED_BYTES_MIN {
            self.open.extend_from_slice(fields);
        } else {
            self.close();
            self.pieces.push(fields.clone());
        }
    }

    /// Adds a message as the field `tag`.
    pub(crate) fn field(&mut self, tag: u32, message: &Encoded) {
        field(&mut self.open, tag, message.len());
        self.open.extend_from_slice(&message.own);
        self.fields(&message.shared);
    }

    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        match self.first {
            None => self.first = Some(open),
            Some(_) if open.is_empty() => {}
            Some(_) => self.pieces.push(open.into()),
        }
    }

    /// The pieces, the first one with the length of all.
    pub(crate) fn into_pieces(mut self) -> Vec<Bytes> {
        self.close();
        let mut first = self.first.unwrap_or_default();
        let bytes = first.len() - PREFIX.len() + self.pieces.iter().map(Bytes::len).sum::<usize>();
        // Bounded by what a configuration can have: far below 4 GiB.
        first[1..PREFIX.len()].copy_from_slice(&u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
        self.pieces.insert(0, first.into());
        self.pieces
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::google::protobuf::{Any, StringValue};

    use super::*;

    #[test]
    fn a_message_within_others_is_what_encoding_all_of_it_would_be() {
        for shared in [0, 1, 100, 200, 20_000] {
            let value = format!("own{}", "s".repeat(shared));
            let text = Encoded::text("own".to_owned(), value[3..].to_owned().into());
            let any = text
                .within(&StringValue::default(), 1)
                .within(&Any { type_url: "t".into(), value: vec![] }, 2);
            let whole = Any { type_url: "t".into(), value: StringValue { value }.encode_to_vec() };
            assert_eq!(any.to_vec(), whole.encode_to_vec(), "{shared}");
        }
    }

    #[test]
    fn a_frame_tells_its_length_and_copies_no_long_part() {
        let long = Bytes::from(vec![b'x'; SHARED_BYTES_MIN]);
        let mut frame = Frame::new(&StringValue::default());
        frame.field(2, &Encoded::shared(Bytes::from_static(b"short")));
        frame.field(3, &Encoded::shared(long.clone()));
        frame.fields(&long);
        frame.field(4, &Encoded::shared(Bytes::from_static(b"short")));
        let pieces = frame.into_pieces();
        assert_eq!(pieces.len(), 4);
        assert!(pieces[1..3].iter().all(|piece| piece.as_ptr() == long.as_ptr()), "they are shared");
        let bytes = pieces.iter().map(Bytes::len).sum::<usize>() - PREFIX.len();
        assert_eq!(pieces[0][..5], [&[0][..], &(bytes as u32).to_be_bytes()].concat());
    }
}
