use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

use super::board::Board;

/// The number of lines of a larger step.
const PAGE: usize = 20;

/// The effect of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// End the program.
    Quit,
    /// Draw again.
    Drawn,
    /// None.
    Nothing,
}

/// The keys and their effects.
pub(super) const TOLD: [(&str, &str); 9] = [
    ("q", "quit"),
    ("s", "sort by the next column"),
    ("r", "reverse the order"),
    ("p", "show only the next pool, after the last one all"),
    ("a", "show all pools"),
    ("space", "pause and resume"),
    ("up down pgup pgdn", "move through the workers"),
    ("home end", "go to the first and the last worker"),
    ("?", "show or hide the keys"),
];

/// Handles an event of the terminal.
pub(super) fn take(event: &Event, board: &mut Board) -> Done {
    let key = match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => key,
        Event::Resize(..) => return Done::Drawn,
        _ => return Done::Nothing,
    };
    let down = |board: &mut Board, step: usize| board.first = board.first.saturating_add(step);
    let up = |board: &mut Board, step: usize| board.first = board.first.saturating_sub(step);
    match key.code {
        KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => return Done::Quit,
        KeyCode::Esc if board.tells_keys => board.tells_keys = false,
        KeyCode::Char('q') | KeyCode::Esc => return Done::Quit,
        KeyCode::Char('s') => board.order = board.order.next(),
        KeyCode::Char('r') => board.reversed = !board.reversed,
        KeyCode::Char('p') => board.next_pool(),
        KeyCode::Char('a') => board.only = None,
        KeyCode::Char(' ') => board.pause(),
        KeyCode::Char('?' | 'h') => board.tells_keys = !board.tells_keys,
        KeyCode::Down | KeyCode::Char('j') => down(board, 1),
        KeyCode::Up | KeyCode::Char('k') => up(board, 1),
        KeyCode::PageDown => down(board, PAGE),
        KeyCode::PageUp => up(board, PAGE),
        KeyCode::Home => board.first = 0,
        // Drawing limits it to the last workers.
        KeyCode::End => board.first = usize::MAX,
        _ => return Done::Nothing,
    }
    Done::Drawn
}
