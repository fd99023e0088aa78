use std::{collections::BTreeMap, ops::Range};

use aho_corasick::AhoCorasick;

use crate::{AnnotatedDocument, Entity, WorkerError};

/// The maximum number of mentions in one answer. The rest is omitted, and the answer is marked.
pub const MENTIONS_MAX: usize = 100_000;

/// Finds the names of a gazetteer in documents.
#[derive(Debug)]
pub struct Annotator {
    entities: Vec<Entity>,
    automaton: AhoCorasick,
    name_bytes_max: usize,
}

/// A name found in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention<'a> {
    /// The entity.
    pub entity: &'a Entity,
    /// The offset of its first character in the original document, in characters.
    pub start: usize,
    /// Offset after its last character.
    pub end: usize,
}

/// The mentions in one document, in order and without overlaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation<'a> {
    /// The mentions, at most [`MENTIONS_MAX`].
    pub mentions: Vec<Mention<'a>>,
    /// Whether further mentions were omitted.
    pub truncated: bool,
}

impl Annotator {
    /// Creates an annotator for these entities, whose names must differ.
    ///
    /// # Errors
    /// [`WorkerError::Automaton`] if the names are too many for one automaton.
    pub fn new(entities: Vec<Entity>) -> Result<Self, WorkerError> {
        let automaton = AhoCorasick::new(entities.iter().map(|entity| &entity.name))?;
        let name_bytes_max = entities.iter().map(|entity| entity.name.len()).max().unwrap_or(0);
        Ok(Self { entities, automaton, name_bytes_max })
    }

    /// Finds the leftmost and, of these, the longest names on word boundaries. The search is case-sensitive.
    #[must_use]
    pub fn annotate(&self, document: &AnnotatedDocument) -> Annotation<'_> {
        let mut found =
            Found { document, annotator: self, mentions: Vec::new(), text_end: 0, truncated: false };
        // All matches are examined, not only the automaton's leftmost-longest ones: in "New York Citywide" the longest
        // match is not on a word boundary, and "New York" must be found instead. For each start the longest match is
        // kept until no later match can begin before it.
        let mut waiting: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for matched in self.automaton.find_overlapping_iter(document.text()) {
            while let Some(first) = waiting.first_entry() {
                if first.key() + self.name_bytes_max >= matched.end() {
                    break;
                }
                let (start, (end, index)) = first.remove_entry();
                found.take(start..end, index);
            }
            if found.truncated {
                break;
            }
            if is_on_word_boundaries(document.text(), matched.range()) {
                // Matches are ordered by their ends: a later one with the same start is longer.
                waiting.insert(matched.start(), (matched.end(), matched.pattern().as_usize()));
            }
        }
        for (start, (end, index)) in waiting {
            found.take(start..end, index);
        }
        Annotation { mentions: found.mentions, truncated: found.truncated }
    }
}

struct Found<'a, 'd> {
    annotator: &'a Annotator,
    document: &'d AnnotatedDocument,
    mentions: Vec<Mention<'a>>,
    /// The end of the last mention in the text, in bytes.
    text_end: usize,
    truncated: bool,
}

impl Found<'_, '_> {
    fn take(&mut self, text: Range<usize>, index: usize) {
        let Some(entity) = self.annotator.entities.get(index) else { return };
        if text.start < self.text_end {
            return;
        }
        if self.mentions.len() == MENTIONS_MAX {
            self.truncated = true;
            return;
        }
        self.text_end = text.end;
        let source = self.document.source_range(text);
        self.mentions.push(Mention { entity, start: source.start, end: source.end });
    }
}

fn is_on_word_boundaries(text: &str, range: Range<usize>) -> bool {
    let before = text[..range.start].chars().next_back();
    let after = text[range.end..].chars().next();
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EntityKind;

    fn annotator(names: &[&str]) -> Annotator {
        let entity = |name: &&str| Entity {
            name: (*name).to_owned(),
            inst: format!("test:{name}"),
            kind: EntityKind::City,
        };
        Annotator::new(names.iter().map(entity).collect()).unwrap()
    }

    fn found(annotator: &Annotator, text: &str) -> Vec<(String, usize, usize)> {
        let annotation = annotator.annotate(&AnnotatedDocument::plain(text));
        assert!(!annotation.truncated);
        annotation.mentions.iter().map(|m| (m.entity.name.clone(), m.start, m.end)).collect()
    }

    fn names(annotator: &Annotator, text: &str) -> Vec<String> {
        found(annotator, text).into_iter().map(|(name, _, _)| name).collect()
    }

    #[test]
    fn offsets_count_characters_not_bytes() {
        let annotator = annotator(&["London"]);
        assert_eq!(found(&annotator, "Hello London!"), [("London".to_owned(), 6, 12)]);
        assert_eq!(found(&annotator, "日本 🦀 ü London"), [("London".to_owned(), 7, 13)]);
    }

    #[test]
    fn the_longest_name_wins() {
        let annotator = annotator(&["York", "New York", "New York City"]);
        assert_eq!(names(&annotator, "New York City, New York, York"), ["New York City", "New York", "York"]);
    }

    #[test]
    fn the_leftmost_name_wins_over_a_longer_one_that_begins_within_it() {
        let annotator = annotator(&["New York", "York Minster Cathedral"]);
        assert_eq!(names(&annotator, "New York Minster Cathedral"), ["New York"]);
    }

    #[test]
    fn a_longer_name_that_is_part_of_a_word_gives_way_to_the_shorter_one() {
        let annotator = annotator(&["York", "New York", "New York City"]);
        assert_eq!(names(&annotator, "New York Citywide"), ["New York"]);
        assert_eq!(names(&annotator, "xNew York City"), ["York"]);
    }

    #[test]
    fn a_part_of_a_word_is_no_mention() {
        let annotator = annotator(&["London", "Zürich"]);
        for text in
            ["Londonderry", "xLondon", "London1", "1London", "éLondon", "Londoné", "Zürichs", "日London"]
        {
            assert_eq!(found(&annotator, text), [], "{text}");
        }
        for text in ["London", "(London)", "London-based", "London's", "«London»", "London_", "日、London"]
        {
            assert_eq!(found(&annotator, text).len(), 1, "{text}");
        }
    }

    #[test]
    fn case_counts() {
        assert_eq!(found(&annotator(&["London"]), "london LONDON"), []);
    }

    #[test]
    fn every_mention_of_a_long_document_is_found_in_order() {
        let annotator = annotator(&["York", "New York", "New York City", "London"]);
        let text = "London, New York City; York.\n".repeat(1_000);
        let found = found(&annotator, &text);
        assert_eq!(found.len(), 3_000);
        assert!(found.is_sorted_by_key(|(_, start, _)| *start));
        assert_eq!(found[2_999], ("York".to_owned(), 999 * 29 + 23, 999 * 29 + 27));
    }

    #[test]
    fn mentions_beyond_the_bound_are_left_out_and_it_is_said() {
        let annotator = annotator(&["London"]);
        let exactly =
            annotator.annotate(&AnnotatedDocument::plain(&"London ".repeat(MENTIONS_MAX))).truncated;
        assert!(!exactly);
        let document = AnnotatedDocument::plain(&"London ".repeat(MENTIONS_MAX + 1));
        let annotation = annotator.annotate(&document);
        assert_eq!(annotation.mentions.len(), MENTIONS_MAX);
        assert!(annotation.truncated);
    }
}
