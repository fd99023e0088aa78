use std::collections::VecDeque;

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Clear, Paragraph},
};

use super::{
    board::{Board, Link, Pool, Worker},
    keys,
};
use crate::commands::output::{duration, printable};

/// The smallest and the largest width of a worker's bar.
const BAR_MIN: usize = 8;
const BAR_MAX: usize = 64;
/// The longest history, in samples.
const SPARK_MAX: usize = 60;
/// The smallest number of rows for workers, however many pools there are.
const WORKER_ROWS_MIN: usize = 6;
const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const FOOT: &str = " q quit  s sort  r reverse  p pool  space pause  ? keys";

const HEADING: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const BAD: Style = Style::new().fg(Color::Red);
const UNSURE: Style = Style::new().fg(Color::Yellow);
const BUSY: Style = Style::new().fg(Color::Green);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws the board, and limits its first worker to a visible one.
pub(super) fn draw(frame: &mut Frame<'_>, board: &mut Board, colour: bool) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let mut lines = head(board, width);
    let pools = pool_lines(board, width);
    // Head, separator, headings of the workers, and foot.
    let room = height.saturating_sub(lines.len() + 3);
    let pool_rows = pools.len().min(room.saturating_sub(WORKER_ROWS_MIN).max(2));
    let hidden = pools.len() - pool_rows;
    lines.extend(pools.into_iter().take(pool_rows));
    lines.push(if hidden > 0 { Line::styled(format!("  and {hidden} more"), DIM) } else { Line::default() });
    let rows = room.saturating_sub(pool_rows);
    let last_first = board.workers_shown().len().saturating_sub(rows);
    board.first = board.first.min(last_first);
    lines.extend(worker_lines(board, width, board.first, rows));
    let mut paint = |line: Line<'_>, y: usize| {
        let Ok(y) = u16::try_from(y) else { return };
        if y < area.height {
            let line = if colour { line } else { plain(line) };
            frame.render_widget(line, Rect::new(area.x, area.y + y, area.width, 1));
        }
    };
    for (y, line) in lines.into_iter().take(height.saturating_sub(1)).enumerate() {
        paint(line, y);
    }
    if height > 0 {
        paint(foot(board, width, rows), height - 1);
    }
    if board.tells_keys {
        tell_keys(frame);
    }
}

/// Returns the board as text, with all workers.
pub(super) fn text(board: &Board, width: u16) -> String {
    let width = usize::from(width);
    let mut lines = head(board, width);
    lines.extend(pool_lines(board, width));
    lines.push(Line::default());
    lines.extend(worker_lines(board, width, 0, usize::MAX));
    let text = |line: &Line<'_>| -> String { line.spans.iter().map(|span| span.content.as_ref()).collect() };
    let plain = |letter| match letter {
        '█' => '#',
        '·' => '.',
        '×' => 'x',
        other => other,
    };
    let bars = |line: &Line<'_>| text(line).chars().map(plain).collect::<String>();
    let pools = lines.len() - board.workers_shown().len();
    let (above, workers) = lines.split_at(pools.min(lines.len()));
    let lines = above.iter().map(text).chain(workers.iter().map(bars));
    lines.map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Removes colours; bold stays.
fn plain(line: Line<'_>) -> Line<'_> {
    let spans = line.spans.into_iter().map(|span| {
        let style = Style { fg: None, bg: None, ..span.style };
        span.style(style)
    });
    let style = Style { fg: None, bg: None, ..line.style };
    Line::from(spans.collect::<Vec<_>>()).style(style)
}

/// Fits text into a number of columns by cutting its end or its beginning.
fn fit(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return format!("{text:<width$}");
    }
    // The end of a URL identifies it better than its beginning.
    let kept: String = text.chars().skip(length - width.saturating_sub(1)).collect();
    if width == 0 { String::new() } else { format!("…{kept}") }
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn head(board: &Board, width: usize) -> Vec<Line<'static>> {
    let synced = board.coordinators.values().filter(|state| *state == "SYNCED").count();
    let rejected = board.coordinators.values().filter(|state| *state == "REJECTED").count();
    let all = board.coordinators.len();
    let word = if all == 1 { "Envoy" } else { "Envoys" };
    let envoys = match (all, rejected) {
        (0, _) => Span::styled("no Envoy", BAD),
        (_, 0) if synced == all => Span::raw(format!("{all} {word}, all SYNCED")),
        (_, 0) => Span::styled(format!("{all} {word}, {synced} SYNCED"), UNSURE),
        _ => Span::styled(format!("{all} {word}, {rejected} REJECTED"), BAD),
    };
    let link = match &board.link {
        Link::Live if board.is_paused => Span::styled("stopped", UNSURE),
        Link::Live => Span::raw("live"),
        Link::Lost(_) => Span::styled("NOT UP TO DATE", BAD),
    };
    let mut spans = vec![
        Span::styled("slotway top", HEADING),
        Span::raw(format!("  {}  ", printable(&board.origin))),
        link,
        Span::raw("  "),
        envoys,
    ];
    if let Some(only) = &board.only {
        spans.push(Span::raw(format!("  pool {}", printable(only))));
    }
    let mut lines = vec![Line::from(spans)];
    if let Link::Lost(reason) = &board.link {
        let reason: String = printable(reason).chars().take(width).collect();
        lines.push(Line::styled(reason, BAD));
    }
    lines.push(Line::default());
    lines
}

/// Returns the headings of the pools and one line per pool.
fn pool_lines(board: &Board, width: usize) -> Vec<Line<'static>> {
    const FIGURES: usize = 56;
    let pools = board.pools_shown();
    let longest = pools.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(4);
    let name_width = longest.min(width.saturating_sub(FIGURES + 10).max(8));
    let spark_width = width.saturating_sub(name_width + FIGURES).min(SPARK_MAX);
    let headings = format!(
        "{:<name_width$} {:>9} {:>5} {:>5} {:>5} {:>8} {:>5} {:>10}  {}",
        "POOL", "IN FLIGHT", "HIGH", "SLOTS", "FREE", "WAITING", "HIGH", "OLDEST", "WAITED"
    );
    let mut lines = vec![Line::styled(headings, HEADING)];
    lines.extend(pools.iter().map(|(name, pool)| pool_line(name, pool, name_width, spark_width)));
    lines
}

fn pool_line(name: &str, pool: &Pool, name_width: usize, spark_width: usize) -> Line<'static> {
    let oldest = if pool.oldest_wait_ms > 0 { duration(pool.oldest_wait_ms) } else { "-".to_owned() };
    let figures = format!(
        "{} {:>9} {:>5} {:>5} {:>5} ",
        fit(&printable(name), name_width),
        number(pool.in_flight),
        pool.in_flight_high,
        number(pool.slots),
        number(pool.free)
    );
    let waiting = format!("{:>8}", number(pool.waiting));
    let style = if pool.waiting.unwrap_or_default() > 0 { UNSURE } else { Style::new() };
    Line::from(vec![
        Span::raw(figures),
        Span::styled(waiting, style),
        Span::raw(format!(" {:>5} {oldest:>10}  ", pool.waiting_high)),
        Span::styled(spark(&pool.history, spark_width), UNSURE),
    ])
}

/// Returns the newest samples as a sparkline; empty if no request waited.
fn spark(history: &VecDeque<u64>, width: usize) -> String {
    let shown: Vec<_> = history.iter().rev().take(width).rev().copied().collect();
    let highest = shown.iter().copied().max().unwrap_or(0);
    let letter = |sample: u64| match (sample, highest) {
        (0, _) | (_, 0) => ' ',
        (sample, highest) => {
            let step = usize::try_from((sample * 8).div_ceil(highest)).unwrap_or(8).clamp(1, 8);
            SPARKS[step - 1]
        }
    };
    shown.into_iter().map(letter).collect()
}

/// Returns the headings of the workers, and one line per worker from `first` on, up to a number of rows.
fn worker_lines(board: &Board, width: usize, first: usize, rows: usize) -> Vec<Line<'static>> {
    const FIGURES: usize = 37;
    let workers = board.workers_shown();
    let longest = |text: fn(&(&str, &Worker)) -> usize, least: usize| {
        workers.iter().map(text).max().unwrap_or(0).max(least)
    };
    let room = width.saturating_sub(FIGURES + BAR_MIN);
    let name_longest = longest(|(name, _)| name.chars().count(), 6);
    let pool_width = longest(|(_, worker)| worker.pool.chars().count(), 4);
    let pool_width = pool_width.min((room / 3).max(room.saturating_sub(name_longest)));
    let name_width = name_longest.min(room.saturating_sub(pool_width));
    let bar_width = width.saturating_sub(FIGURES + name_width + pool_width).min(BAR_MAX);
    let headings = format!(
        "{:<name_width$} {:<pool_width$} {:<8} {:>9} {:>5} {:>8}  SLOTS",
        "WORKER", "POOL", "STATE", "IN FLIGHT", "HIGH", "CAPACITY"
    );
    let mut lines = vec![Line::styled(headings, HEADING)];
    let shown = workers.iter().skip(first).take(rows);
    lines.extend(shown.map(|(name, worker)| {
        let named =
            format!("{} {} ", fit(&printable(name), name_width), fit(&printable(&worker.pool), pool_width));
        let mut spans = vec![
            Span::raw(named),
            Span::styled(fit(&printable(&worker.state), 8), state_style(&worker.state)),
            Span::raw(format!(
                " {:>9} {:>5} {:>8}  ",
                number(worker.in_flight),
                worker.in_flight_high,
                worker.capacity
            )),
        ];
        spans.extend(bar(worker, bar_width));
        Line::from(spans)
    }));
    lines
}

fn state_style(state: &str) -> Style {
    match state {
        "active" => Style::new(),
        "down" | "parked" => BAD,
        "unknown" | "cordoned" | "drained" => DIM,
        _ => UNSURE,
    }
}

/// Returns one character per slot; with more slots than columns, one per share of them.
fn bar(worker: &Worker, width: usize) -> Vec<Span<'static>> {
    let (taken, free) = (worker.in_flight.unwrap_or_default(), worker.free.unwrap_or_default());
    let slots = worker.capacity.max(taken + free + worker.parked);
    let columns = u64::try_from(width).unwrap_or(u64::MAX).min(slots);
    // A state with at least one slot is visible.
    let share = |part: u64| match (part, slots) {
        (0, _) | (_, 0) => 0,
        (part, slots) => (part * columns / slots).max(1),
    };
    let taken = share(taken).min(columns);
    let parked = share(worker.parked).min(columns - taken);
    let free = share(free).min(columns - taken - parked);
    let rest = columns - taken - parked - free;
    let repeat = |letter: &str, count: u64| letter.repeat(usize::try_from(count).unwrap_or(0));
    vec![
        Span::styled(repeat("█", taken), BUSY),
        Span::styled(repeat("×", parked), BAD),
        Span::styled(repeat("·", free), DIM),
        Span::raw(repeat(" ", rest)),
    ]
}

fn foot(board: &Board, width: usize, rows: usize) -> Line<'static> {
    let workers = board.workers_shown().len();
    let last = board.first.saturating_add(rows).min(workers);
    let shown = if workers > rows {
        format!("{}-{last} of {workers}", board.first + 1)
    } else {
        format!("{workers} workers")
    };
    let order = format!("by {}{}", board.order.as_str(), if board.reversed { ", reversed" } else { "" });
    let right = format!("{shown}  {order} ");
    let left: String = FOOT.chars().take(width.saturating_sub(right.chars().count() + 1)).collect();
    let gap = width.saturating_sub(left.chars().count() + right.chars().count());
    Line::styled(format!("{left}{}{right}", " ".repeat(gap)), REVERSED)
}

fn tell_keys(frame: &mut Frame<'_>) {
    let area = frame.area();
    let lines: Vec<_> =
        keys::TOLD.iter().map(|(key, does)| Line::raw(format!("  {key:<18} {does}  "))).collect();
    let width = lines.iter().map(Line::width).max().unwrap_or(0).max(20);
    let (width, height) =
        (u16::try_from(width).unwrap_or(u16::MAX), u16::try_from(lines.len()).unwrap_or(u16::MAX));
    let (width, height) = (width.min(area.width), (height + 2).min(area.height));
    let place = Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height);
    frame.render_widget(Clear, place);
    let mut all = vec![Line::styled("  Keys", HEADING)];
    all.extend(lines);
    frame.render_widget(Paragraph::new(all).style(REVERSED), place);
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
