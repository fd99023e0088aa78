use crate::AnnotatedDocument;

/// Reads an HTML document: tags, comments, scripts and styles are omitted, entities are decoded, and offsets remain
/// those of the original HTML.
///
/// Inline tags (`b`, `a`, `span`) do not separate words, so `Lon<b>don</b>` is London and its mention spans the tag;
/// all other tags do. The reader follows the tokenizer of <https://html.spec.whatwg.org/multipage/parsing.html> as far
/// as the words of a document depend on it, and never fails: an unclosed construct is omitted up to the end.
#[must_use]
pub fn read_html(source: &str) -> AnnotatedDocument {
    let mut reader = Reader { source, at: 0, at_chars: 0, document: AnnotatedDocument::default() };
    while let Some(next) = reader.rest().find(['<', '&']) {
        reader.text(next);
        if reader.rest().starts_with('&') { reader.entity() } else { reader.markup() }
    }
    reader.text(reader.rest().len());
    reader.document
}

/// Tags within a line of text.
const INLINE: [&str; 33] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font",
    "i", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup",
    "time", "tt", "u", "var", "wbr",
];
/// Elements whose content is not part of the text and has no tags.
const LEFT_OUT: [&str; 2] = ["script", "style"];
/// The maximum length of an entity's content, with a reserve: `&CounterClockwiseContourIntegral;` has 31 characters.
const ENTITY_BYTES_MAX: usize = 40;

struct Reader<'a> {
    source: &'a str,
    at: usize,
    /// The same position in characters.
    at_chars: usize,
    document: AnnotatedDocument,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Adds the next `bytes` bytes as text.
    fn text(&mut self, bytes: usize) {
        let text = self.rest().get(..bytes).unwrap_or_default();
        self.at_chars += self.document.push_str(text, self.at_chars);
        self.at += text.len();
    }

    /// Omits the next `bytes` bytes.
    fn skip(&mut self, bytes: usize) {
        let skipped = self.rest().get(..bytes).unwrap_or_default();
        self.at_chars += skipped.chars().count();
        self.at += skipped.len();
    }

    fn entity(&mut self) {
        let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
        let inside = self.rest().bytes().skip(1).take(ENTITY_BYTES_MAX).take_while(is_inside).count();
        let entity = self.rest().get(..inside + 2).filter(|entity| entity.ends_with(';')).unwrap_or_default();
        let decoded = html_escape::decode_html_entities(entity);
        if entity.is_empty() || decoded == entity {
            return self.text(1);
        }
        // An entity is ASCII: its bytes are its characters. If it decodes to two characters, both have its whole range.
        for character in decoded.chars() {
            self.document.push(character, self.at_chars, entity.len());
        }
        self.skip(entity.len());
    }

    fn markup(&mut self) {
        let rest = self.rest();
        let to_the_end = rest.len();
        if rest.starts_with("<!--") {
            return self.skip(comment_bytes(rest));
        }
        let name_at = if rest.starts_with("</") { 2 } else { 1 };
        match rest.as_bytes().get(name_at) {
            Some(byte) if byte.is_ascii_alphabetic() => self.tag(name_at),
            Some(b'!' | b'?') if name_at == 1 => self.skip(rest.find('>').map_or(to_the_end, |at| at + 1)),
            Some(_) if name_at == 2 => self.skip(rest.find('>').map_or(to_the_end, |at| at + 1)),
            _ => self.text(1),
        }
    }

    fn tag(&mut self, name_at: usize) {
        let rest = self.rest();
        let name_bytes = rest[name_at..].find(|c: char| c.is_ascii_whitespace() || c == '/' || c == '>');
        let name_end = name_bytes.map_or(rest.len(), |bytes| name_at + bytes);
        let name = rest[name_at..name_end].to_ascii_lowercase();
        if !INLINE.contains(&name.as_str()) {
            self.document.break_block(self.at_chars);
        }
        self.skip(tag_bytes(rest, name_end));
        if name_at == 1 && LEFT_OUT.contains(&name.as_str()) {
            self.skip(raw_text_bytes(self.rest(), &name));
        }
    }
}

/// Returns the length of the comment at the beginning of `rest`. `<!-->` and `<!--->` are complete comments.
fn comment_bytes(rest: &str) -> usize {
    let opening = "<!--".len();
    let closes = |at: &usize| {
        rest[..*at].ends_with("--") || rest.get(opening..*at).is_some_and(|comment| comment.ends_with("--!"))
    };
    rest.match_indices('>')
        .map(|(at, _)| at)
        .filter(|at| *at >= opening)
        .find(closes)
        .map_or(rest.len(), |at| at + 1)
}

/// Returns the length of the tag at the beginning of `rest`, whose name ends at `name_end`: a `>` within quotes does
/// not end it.
fn tag_bytes(rest: &str, name_end: usize) -> usize {
    let mut quote = None;
    let mut is_value_next = false;
    for (at, byte) in rest.bytes().enumerate().skip(name_end) {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return at + 1,
            // A quote opens a value only directly after `=`; elsewhere it is an ordinary character.
            (None, b'"' | b'\'') if is_value_next => {
                quote = Some(byte);
                is_value_next = false;
            }
            (None, b'=') => is_value_next = true,
            (None, _) if byte.is_ascii_whitespace() => {}
            (None, _) => is_value_next = false,
        }
    }
    rest.len()
}

/// Returns the length of the content of a script or style: up to its end tag, which is not included.
fn raw_text_bytes(rest: &str, name: &str) -> usize {
    let ends_here = |at: usize| {
        let end = rest.as_bytes().get(at + 2..at + 2 + name.len());
        let after = rest.as_bytes().get(at + 2 + name.len());
        end.is_some_and(|end| end.eq_ignore_ascii_case(name.as_bytes()))
            && after.is_none_or(|after| after.is_ascii_whitespace() || *after == b'/' || *after == b'>')
    };
    rest.match_indices("</").map(|(at, _)| at).find(|at| ends_here(*at)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_reads(html: &str, text: &str) {
        assert_eq!(read_html(html).text().trim(), text, "{html}");
    }

    #[test]
    fn tags_scripts_styles_and_comments_are_left_out() {
        assert_reads("<!DOCTYPE html><html><body><p>Hello</p></body></html>", "Hello");
        assert_reads("a<!-- London --> b<!--> c<!---> d<!-- x --!> e", "a b c d e");
        assert_reads("<script>if (a < b && c > d) '</p>'; London</script >x", "x");
        assert_reads("<STYLE type=a>London</Style>x<script/>y</script>z", "x\nz");
        assert_reads("<script>x</scripts></script>y", "y");
        assert_reads("<?xml version='1.0'?>x<![CDATA[y]]></>z</ London>", "xz");
    }

    #[test]
    fn an_end_of_tag_within_quotes_does_not_end_it() {
        assert_reads("<a title='a > London' href = \"x>y\">x</a>", "x");
        assert_reads("<a title=it's>x</a>", "x");
        assert_reads("<a title=\"\">x</a>", "x");
    }

    #[test]
    fn what_is_not_closed_is_left_out_to_the_end() {
        for open in ["<!-- x", "<p x", "<p x='", "<script>x", "<!x", "</p", "<style"] {
            assert_reads(&format!("a {open}"), "a");
        }
    }

    #[test]
    fn a_lone_bracket_or_ampersand_is_text() {
        assert_reads("1 < 2 & 3 > 2 <", "1 < 2 & 3 > 2 <");
        assert_reads("a <3 b & &; &nosuch; &#; c", "a <3 b & &; &nosuch; &#; c");
        assert_reads("x&y &amp; &é; &#xD800; &#x110000; &", "x&y & &é; &#xD800; &#x110000; &");
    }

    #[test]
    fn entities_are_read_as_their_characters() {
        assert_reads("S&atilde;o &amp; Z&#252;rich &#x4E;ew&nbsp;York", "São & Zürich New York");
    }

    #[test]
    fn inline_tags_do_not_part_words_and_others_do() {
        assert_reads("Lon<b>don</b> <i>New</i> York", "London New York");
        assert_reads("New<br>York<td>x</td>", "New\nYork\nx");
    }

    #[test]
    fn offsets_are_those_of_the_html() {
        let html = "<p title='é'>In S&atilde;o <b>Paulo</b>, Zürich</p>";
        let document = read_html(html);
        let characters: Vec<char> = html.chars().collect();
        for (name, marked) in [("São Paulo", "S&atilde;o <b>Paulo"), ("Zürich", "Zürich")] {
            let start = document.text().find(name).unwrap();
            let source = document.source_range(start..start + name.len());
            assert_eq!(characters[source].iter().collect::<String>(), marked);
        }
    }
}
