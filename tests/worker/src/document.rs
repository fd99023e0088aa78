/// The text in which names are searched, with a mapping to the original document.
///
/// White space is first reduced to single spaces (a line break inside `New York` does not change the name), except that
/// an empty line remains a line break, which no name crosses. Offsets are counted in characters (Unicode scalar values)
/// of the original document, so that a client can mark it up.
#[derive(Debug, Default)]
pub struct AnnotatedDocument {
    text: String,
    /// Ascending in `text_at`; the first begins at 0.
    runs: Vec<Run>,
    /// The last white space, which is not written yet.
    gap: Option<Gap>,
    /// The end of the written text in the document, in characters.
    source_end: usize,
}

/// A run of the text and its position in the document. 32 bits suffice: a document is bounded by
/// [`crate::BODY_BYTES_LIMIT`], 1 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Its start in the text, in bytes.
    text_at: u32,
    /// Its start in the document, in characters.
    source_at: u32,
    /// The number of characters of the document for which it stands as a whole (an entity such as `&atilde;`), or 0 if
    /// each character stands for itself.
    source_len: u32,
}

#[derive(Debug, Clone, Copy)]
struct Gap {
    source_at: usize,
    breaks: usize,
}

/// The maximum length of a run, because the characters of a run are counted for each mention in it.
const RUN_BYTES_MAX: usize = 1_024;

impl AnnotatedDocument {
    /// Returns a document of plain text.
    #[must_use]
    pub fn plain(source: &str) -> Self {
        let mut document = Self { text: String::with_capacity(source.len()), ..Self::default() };
        document.push_str(source, 0);
        document
    }

    /// Returns the text to search.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds text that is unchanged from the document, from character `source_at` on. Returns its number of characters.
    pub(crate) fn push_str(&mut self, text: &str, source_at: usize) -> usize {
        let mut at = source_at;
        for character in text.chars() {
            self.push(character, at, 1);
            at += 1;
        }
        at - source_at
    }

    /// Adds one character that stands for `source_len` characters of the document from `source_at` on.
    pub(crate) fn push(&mut self, character: char, source_at: usize, source_len: usize) {
        if character.is_whitespace() {
            let gap = self.gap.get_or_insert(Gap { source_at, breaks: 0 });
            gap.breaks += usize::from(character == '\n');
            return;
        }
        if let Some(gap) = self.gap.take() {
            self.write(if gap.breaks > 1 { '\n' } else { ' ' }, gap.source_at, 1);
        }
        self.write(character, source_at, source_len);
    }

    /// Adds a break between two blocks (paragraphs, table cells), which no name crosses.
    pub(crate) fn break_block(&mut self, source_at: usize) {
        self.gap.get_or_insert(Gap { source_at, breaks: 0 }).breaks = 2;
    }

    /// Returns the position of a part of the text (byte offsets, not empty) in the document: the offsets of its first
    /// character and of the one after its last, in characters.
    #[must_use]
    pub fn source_range(&self, text: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let last = self.text[..text.end].char_indices().next_back().map_or(0, |(at, _)| at);
        self.source_of(text.start).start..self.source_of(last).end
    }

    /// Returns the characters of the document for which the character at `text_at` stands.
    fn source_of(&self, text_at: usize) -> std::ops::Range<usize> {
        let index = self.runs.partition_point(|run| wide(run.text_at) <= text_at);
        let Some(run) = index.checked_sub(1).and_then(|index| self.runs.get(index)) else {
            return 0..0;
        };
        let before = self.text[wide(run.text_at)..text_at].chars().count();
        let start = wide(run.source_at) + before;
        start..start + wide(run.source_len).max(1)
    }

    fn write(&mut self, character: char, source_at: usize, source_len: usize) {
        let whole = if source_len == 1 { 0 } else { narrow(source_len) };
        let fits = self.runs.last().is_some_and(|run| {
            whole == 0
                && run.source_len == 0
                && self.text.len() - wide(run.text_at) < RUN_BYTES_MAX
                && self.source_end == source_at
        });
        if !fits {
            self.runs.push(Run {
                text_at: narrow(self.text.len()),
                source_at: narrow(source_at),
                source_len: whole,
            });
        }
        self.text.push(character);
        self.source_end = source_at + source_len;
    }
}

/// Offsets beyond 32 bits are impossible, see [`Run`].
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn wide(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(document: &AnnotatedDocument, found: &str) -> std::ops::Range<usize> {
        let start = document.text().find(found).unwrap();
        document.source_range(start..start + found.len())
    }

    #[test]
    fn offsets_are_characters_of_the_document() {
        let document = AnnotatedDocument::plain("Zürich 日本 🦀 London");
        assert_eq!(source(&document, "Zürich"), 0..6);
        assert_eq!(source(&document, "London"), 12..18);
    }

    #[test]
    fn white_space_becomes_one_space_and_offsets_stay_true() {
        let document = AnnotatedDocument::plain("  New \r\n\t York,\u{a0}London");
        assert_eq!(document.text(), " New York, London");
        assert_eq!(source(&document, "New York"), 2..14);
        assert_eq!(source(&document, "London"), 16..22);
    }

    #[test]
    fn an_empty_line_stays_a_break() {
        assert_eq!(AnnotatedDocument::plain("New\n \nYork\n").text(), "New\nYork");
    }

    #[test]
    fn an_entity_counts_as_it_is_written() {
        let mut document = AnnotatedDocument::default();
        let mut at = document.push_str("in S", 0);
        document.push('ã', at, 8);
        at += 8;
        document.push_str("o Paulo", at);
        assert_eq!(document.text(), "in São Paulo");
        assert_eq!(source(&document, "São Paulo"), 3..19);
        assert_eq!(source(&document, "ã"), 4..12);
        assert_eq!(source(&document, "Paulo"), 14..19);
    }

    #[test]
    fn offsets_stay_true_over_many_runs() {
        let text = "äöü ".repeat(2_000);
        let document = AnnotatedDocument::plain(&format!("{text}London"));
        assert!(document.runs.len() > 5);
        assert_eq!(source(&document, "London"), 8_000..8_006);
    }
}
