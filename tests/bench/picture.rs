//! Draws a case: a bar for each figure and each contender, with a line for its spread and a mark for its target.

use crate::{
    number::number,
    report::{Bar, Case, Figure, Series},
    statistics::Spread,
    svg::{Anchor, Svg},
    table::{bar_text, reached_text},
};

const WIDTH: f64 = 920.0;
const PADDING: f64 = 22.0;
/// The left end and the maximum right end of bars: names are to the left, values to the right.
const PLOT_FROM: f64 = 322.0;
const PLOT_TO: f64 = 682.0;
const VALUE_AT: f64 = 696.0;
/// A value with this many letters leaves no room for its spread beside it.
const LONG_VALUE_LETTERS: usize = 8;
/// The approximate number of letters of a name in a line.
const NAME_LETTERS: usize = 42;
const LINE_HEIGHT: f64 = 16.0;
const BAR_HEIGHT: f64 = 15.0;
/// The approximate number of gridlines.
const TICKS: f64 = 5.0;

/// Bars with the same scale.
struct Panel {
    heading: String,
    rows: Vec<Row>,
}

/// A bar with its texts.
struct Row {
    name: String,
    spread: Spread,
    bar: Option<Bar>,
    /// The text about the target.
    verdict: Option<String>,
    class: &'static str,
}

/// Draws a case. `foot` names the machine of the measurement.
pub(crate) fn picture(case: &Case, foot: &str) -> String {
    let mut svg = Svg::new(&case.title, WIDTH);
    let mut y = PADDING;
    for panel in panels(case) {
        y = panel.draw(&mut svg, y) + 18.0;
    }
    let rounds = match case.rounds {
        1 => "Bars: a single round.".to_owned(),
        rounds => format!("Bars: median of {rounds} rounds. Lines: lowest to highest round."),
    };
    let marks = " Dashed marks: to be reached; the arrow points to what is better.";
    let has_bars = case.figures.iter().any(|figure| figure.bar.is_some());
    svg.text(PADDING, y, "small", Anchor::Start, &(rounds + if has_bars { marks } else { "" }));
    svg.text(PADDING, y + 15.0, "small", Anchor::Start, foot);
    svg.finish(y + 15.0 + PADDING * 0.7)
}

/// Splits a name into its group and the rest.
fn group(name: &str) -> (&str, &str) {
    name.split_once(": ").unwrap_or(("", name))
}

fn panels(case: &Case) -> Vec<Panel> {
    let of = |figure: &Figure, series: &Series| (&figure.name, &figure.unit) == (&series.name, &series.unit);
    let series: Vec<&Series> = case.series.iter().filter(|series| !series.values.is_empty()).collect();
    // A figure of only one contender is drawn once, beside those of the others.
    let figures = case.figures.iter().filter(|figure| !series.iter().any(|series| of(figure, series)));
    let mut panels = gathered(figures.map(|figure| {
        let (group, name) = group(&figure.name);
        (heading(group, &figure.unit), Row::figure(name, figure))
    }));
    panels.extend(gathered(series.iter().map(|series| {
        let (group, name) = group(&series.name);
        let figure = case.figures.iter().find(|figure| of(figure, series) && figure.bar.is_some());
        let row = figure.map_or_else(|| Row::series(name, series), |figure| Row::figure(name, figure));
        (heading(group, &series.unit), row)
    })));
    panels
}

/// Groups rows by heading, in the order in which the headings first appear.
fn gathered(rows: impl Iterator<Item = (String, Row)>) -> Vec<Panel> {
    let mut panels: Vec<Panel> = Vec::new();
    for (heading, row) in rows {
        match panels.iter_mut().find(|panel| panel.heading == heading) {
            Some(panel) => panel.rows.push(row),
            None => panels.push(Panel { heading, rows: vec![row] }),
        }
    }
    panels
}

fn heading(group: &str, unit: &str) -> String {
    let unit = if unit == "ratio" { "ratios" } else { unit };
    if group.is_empty() { capitalised(unit) } else { format!("{group}: {unit}") }
}

fn capitalised(text: &str) -> String {
    let first_word = text.split([' ', ',']).next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        // Short words such as `ms` are not capitalised.
        Some(first) if first_word.len() > 3 => first.to_uppercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

impl Row {
    fn figure(name: &str, figure: &Figure) -> Self {
        Self {
            name: name.to_owned(),
            spread: Spread { median: figure.median, low: figure.low, high: figure.high },
            bar: figure.bar,
            verdict: bar_text(figure).map(|bar| format!("{bar}: {}", reached_text(figure))),
            class: match figure.reached {
                Some(true) => "reached",
                Some(false) => "missed",
                None => "other",
            },
        }
    }

    fn series(name: &str, series: &Series) -> Self {
        let own = name.to_lowercase().contains("slotway");
        Self {
            name: name.to_owned(),
            spread: Spread::of(&series.values),
            bar: None,
            verdict: None,
            class: if own { "own" } else { "other" },
        }
    }

    fn height(&self) -> f64 {
        let lines = wrapped(&self.name, NAME_LETTERS).len().max(self.value_lines());
        lines as f64 * LINE_HEIGHT + 10.0
    }

    fn value_lines(&self) -> usize {
        1 + usize::from(self.is_long()) + usize::from(self.verdict.is_some())
    }

    /// Returns whether the spread needs a separate line.
    fn is_long(&self) -> bool {
        number(self.spread.high).len() >= LONG_VALUE_LETTERS && self.spread_text().is_some()
    }

    fn spread_text(&self) -> Option<String> {
        let Spread { low, high, .. } = self.spread;
        (low < high).then(|| format!("{} to {}", number(low), number(high)))
    }

    fn largest(&self) -> f64 {
        self.spread.high.max(self.bar.map_or(0.0, Bar::limit))
    }

    fn draw(&self, svg: &mut Svg, y: f64, scale: impl Fn(f64) -> f64) {
        let middle = y + self.height() / 2.0;
        let lines = wrapped(&self.name, NAME_LETTERS);
        let first = middle + 4.5 - (lines.len() - 1) as f64 * LINE_HEIGHT / 2.0;
        for (index, line) in lines.iter().enumerate() {
            svg.text(PADDING, first + index as f64 * LINE_HEIGHT, "name", Anchor::Start, line);
        }
        let Spread { median, low, high } = self.spread;
        svg.bar(PLOT_FROM, middle - BAR_HEIGHT / 2.0, scale(median) - PLOT_FROM, BAR_HEIGHT, self.class);
        svg.line((scale(low), middle), (scale(high), middle), "spread");
        for end in [low, high] {
            svg.line((scale(end), middle - 4.0), (scale(end), middle + 4.0), "spread");
        }
        if let Some(bar) = self.bar {
            let (x, half) = (scale(bar.limit()), self.height() / 2.0 - 2.0);
            svg.line((x, middle - half), (x, middle + half), "limit");
            svg.arrow(x, middle - half + 4.0, matches!(bar, Bar::AtLeast(_)));
        }
        self.draw_value(svg, middle);
    }

    /// Draws the value, its spread, and the text about the target.
    fn draw_value(&self, svg: &mut Svg, middle: f64) {
        let mut base = middle + 4.5 - (self.value_lines() - 1) as f64 * LINE_HEIGHT / 2.0;
        svg.text(VALUE_AT, base, "value", Anchor::Start, &number(self.spread.median));
        let spread = self.spread_text().unwrap_or_default();
        if self.is_long() {
            base += LINE_HEIGHT;
            svg.text(VALUE_AT, base, "small", Anchor::Start, &spread);
        } else {
            svg.text(WIDTH - PADDING, base, "small", Anchor::End, &spread);
        }
        if let Some(verdict) = &self.verdict {
            let class = if self.class == "missed" { "small missed-text" } else { "small" };
            svg.text(VALUE_AT, base + LINE_HEIGHT, class, Anchor::Start, verdict);
        }
    }
}

impl Panel {
    /// Draws it from `y` on, and returns its end.
    fn draw(&self, svg: &mut Svg, y: f64) -> f64 {
        svg.text(PADDING, y + 10.0, "heading", Anchor::Start, &self.heading);
        let top = y + 22.0;
        let bottom = top + self.rows.iter().map(Row::height).sum::<f64>();
        let largest = self.rows.iter().map(Row::largest).fold(0.0, f64::max);
        // If all values are zero, any scale works.
        let end = if largest > 0.0 { largest * 1.03 } else { 1.0 };
        let scale = |value: f64| PLOT_FROM + (PLOT_TO - PLOT_FROM) * (value.max(0.0) / end);
        let step = step(end);
        for tick in (0..).map(|index| f64::from(index) * step).take_while(|tick| *tick <= end) {
            svg.line((scale(tick), top), (scale(tick), bottom), "grid");
            svg.text(scale(tick), bottom + 13.0, "small", Anchor::Middle, &tick_text(tick, step));
        }
        let mut at = top;
        for row in &self.rows {
            row.draw(svg, at, scale);
            at += row.height();
        }
        bottom + 18.0
    }
}

/// Returns the distance of gridlines: 1, 2 or 5 times a power of ten.
fn step(end: f64) -> f64 {
    let rough = end / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0].into_iter().find(|times| times * power >= rough * 0.999).unwrap_or(10.0);
    times * power
}

/// Returns the value of a gridline with its significant digits.
fn tick_text(tick: f64, step: f64) -> String {
    if tick >= 1000.0 {
        return number(tick);
    }
    let digits_behind = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{tick:.digits_behind$}")
}

/// Breaks a text into lines of at most `letters`, except for longer words.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

#[cfg(test)]
#[allow(dead_code, reason = "the benchmark is compiled with this, but without the tests that need it")]
mod tests {
    use super::*;
    use crate::report::example;

    /// Returns the value of an attribute in the first line of `svg` that contains `part`, starting from the `nth`.
    fn attribute(svg: &str, part: &str, nth: usize, name: &str) -> f64 {
        let line = svg.lines().filter(|line| line.starts_with('<') && line.contains(part)).nth(nth).unwrap();
        let (_, rest) = line.split_once(&format!(" {name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.parse().unwrap()
    }

    fn case_of(figures: Vec<Figure>, series: Vec<Series>) -> Case {
        Case { figures, series, ..example().cases.remove(0) }
    }

    #[test]
    fn bars_are_as_long_as_their_medians_and_begin_at_zero() {
        let series = [("A", 1.0), ("B", 2.0), ("C", 4.0)]
            .map(|(name, value)| Series::new(name, "ms", vec![value, value, value]));
        let svg = picture(&case_of(vec![], series.to_vec()), "");
        let widths = [0, 1, 2].map(|nth| attribute(&svg, "class=\"other\"", nth, "width"));
        assert!((widths[1] / widths[0] - 2.0).abs() < 0.01 && (widths[2] / widths[0] - 4.0).abs() < 0.01);
        assert!((attribute(&svg, "class=\"other\"", 0, "x") - PLOT_FROM).abs() < 0.1);
    }

    #[test]
    fn what_is_to_be_reached_is_marked_at_its_place_and_what_is_not_reached_is_said() {
        let figure = Figure::of("Slotway", "ratio", &[0.5, 0.5, 0.5]).at_least(1.0);
        let svg = picture(&case_of(vec![figure], vec![]), "");
        let length = attribute(&svg, "class=\"missed\"", 0, "width");
        let mark = attribute(&svg, "class=\"limit\"", 0, "x1");
        assert!((mark - PLOT_FROM - 2.0 * length).abs() < 0.2, "{mark} {length}");
        assert!(svg.contains("at least 1.000: NOT REACHED"));
    }

    #[test]
    fn names_are_no_markup() {
        let svg = picture(&case_of(vec![], vec![Series::new("a<b> & \"c\"", "ms", vec![1.0])]), "<foot>");
        assert!(svg.contains("a&lt;b&gt; &amp; &quot;c&quot;") && svg.contains("&lt;foot&gt;"), "{svg}");
    }

    #[test]
    fn each_group_and_each_unit_has_a_scale_of_its_own() {
        let series = |name, unit, value| Series::new(name, unit, vec![value]);
        let case = case_of(
            vec![],
            vec![
                series("2 ms: Slotway", "jobs/s", 1.0),
                series("5 ms: Slotway", "jobs/s", 1.0),
                series("2 ms: HAProxy", "jobs/s", 1.0),
                series("2 ms: Slotway", "ms", 1.0),
            ],
        );
        let panels = panels(&case);
        let headings: Vec<_> = panels.iter().map(|panel| panel.heading.as_str()).collect();
        assert_eq!(headings, ["2 ms: jobs/s", "5 ms: jobs/s", "2 ms: ms"]);
        assert_eq!(panels[0].rows.len(), 2);
    }

    #[test]
    fn a_figure_that_is_a_contenders_own_is_drawn_among_the_contenders_with_its_bar() {
        let figure = Figure::of("Slotway", "ms", &[7.0]).at_most(5.0);
        let contenders = ["Slotway", "HAProxy"].map(|name| Series::new(name, "ms", vec![7.0]));
        let panels = panels(&case_of(vec![figure], contenders.to_vec()));
        assert_eq!(panels.len(), 1);
        let rows: Vec<_> = panels[0].rows.iter().map(|row| (row.name.as_str(), row.class)).collect();
        assert_eq!(rows, [("Slotway", "missed"), ("HAProxy", "other")]);
    }

    #[test]
    fn gridlines_stand_at_round_numbers() {
        assert_eq!([0.97, 1.3, 17_000.0, 4.0].map(step), [0.2, 0.5, 5_000.0, 1.0]);
        assert_eq!(tick_text(0.4, 0.2), "0.4");
        assert_eq!(tick_text(15_000.0, 5_000.0), "15,000");
    }

    #[test]
    fn a_case_in_which_nothing_happened_can_be_drawn() {
        let svg = picture(&case_of(vec![], vec![Series::new("A", "errors", vec![0.0, 0.0])]), "");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn long_names_go_on_in_the_next_line() {
        assert_eq!(wrapped("Slotway beside Envoy's own", 14), ["Slotway beside", "Envoy's own"]);
        assert_eq!(wrapped("", 14), [""]);
    }
}
