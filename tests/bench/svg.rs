//! An SVG, piece by piece, with one look for light and dark surroundings.

/// What everything looks like. The picture brings its own background: it stands on a page as an image, and its theme is
/// that of the reader's system, which need not be the page's.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',Helvetica,Arial,sans-serif;font-size:13px;fill:#1f2328}\
.heading,.value{font-weight:600}\
.small{font-size:11px;fill:#59636e}\
.missed-text{font-weight:600;fill:#b3151f}\
.card{fill:#ffffff;stroke:#d0d7de}\
.grid{stroke:#e3e7ec;stroke-width:1}\
.own{fill:#54aeff}.other{fill:#c8d1da}.reached{fill:#5cc97c}.missed{fill:#ff8e8f}\
.spread{stroke:#1f2328;stroke-width:1.5}\
.limit{stroke:#8a5a00;stroke-width:2;stroke-dasharray:4 2}\
.arrow{fill:#8a5a00}\
@media (prefers-color-scheme:dark){\
text{fill:#e6edf3}\
.small{fill:#a5adb7}\
.missed-text{fill:#ff9a94}\
.card{fill:#0d1117;stroke:#30363d}\
.grid{stroke:#262c34}\
.own{fill:#1f6feb}.other{fill:#484f58}.reached{fill:#238636}.missed{fill:#a4262c}\
.spread{stroke:#e6edf3}\
.limit{stroke:#e3b341}\
.arrow{fill:#e3b341}}";

/// A picture that is being drawn.
pub(crate) struct Svg {
    title: String,
    width: f64,
    body: String,
}

/// Where a text stands from its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// A picture of that width, with a title for those who hear it.
    pub(crate) fn new(title: &str, width: f64) -> Self {
        Self { title: title.to_owned(), width, body: String::new() }
    }

    /// Text of a class, or of several.
    pub(crate) fn text(&mut self, x: f64, y: f64, class: &str, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.body += &format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{text}</text>\n"
        );
    }

    /// A bar.
    pub(crate) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        self.body += &format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\" class=\"{class}\"/>\n"
        );
    }

    /// A line.
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.body += &format!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"{class}\"/>\n"
        );
    }

    /// A small triangle at a point of a row, which points to larger values or to smaller ones.
    pub(crate) fn arrow(&mut self, x: f64, y: f64, to_larger: bool) {
        let tip = if to_larger { x + 7.0 } else { x - 7.0 };
        self.body += &format!(
            "<path d=\"M{x:.1} {:.1} L{x:.1} {:.1} L{tip:.1} {y:.1} Z\" class=\"arrow\"/>\n",
            y - 4.0,
            y + 4.0
        );
    }

    /// The whole, of that height.
    pub(crate) fn finish(self, height: f64) -> String {
        let Self { title, width, body } = self;
        let title = escaped(&title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
             <rect x=\"0.5\" y=\"0.5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"6\" class=\"card\"/>\n{body}</svg>\n",
            width - 1.0,
            height - 1.0,
        )
    }
}

/// Text that is no markup, whatever it holds.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            // No XML can hold these.
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
