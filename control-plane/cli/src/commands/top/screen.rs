use std::{io::Stdout, time::Duration};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor, event, execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};
use tokio::sync::mpsc;

use super::{board::Board, view};
use crate::commands::CliError;

/// The interval at which the thread that reads keys checks whether the receiver is dropped.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const KEYS_MAX: usize = 64;

/// The terminal. Dropping it, or a panic, restores the previous state.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    colour: bool,
}

/// Restores the terminal. Failures are ignored.
fn restore() {
    let _ = disable_raw_mode();
    let _ = execute!(std::io::stdout(), LeaveAlternateScreen, cursor::Show);
}

fn failed(error: std::io::Error) -> CliError {
    CliError::system("using the terminal", error)
}

impl Screen {
    /// Switches the terminal to the alternate screen and raw mode.
    ///
    /// # Errors
    /// [`CliError::Runtime`] if the terminal cannot be used.
    pub(super) fn begin(colour: bool) -> Result<Self, CliError> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
        enable_raw_mode().map_err(failed)?;
        let begun = execute!(std::io::stdout(), EnterAlternateScreen, cursor::Hide)
            .and_then(|()| Terminal::new(CrosstermBackend::new(std::io::stdout())));
        match begun {
            Ok(terminal) => Ok(Self { terminal, colour }),
            Err(error) => {
                restore();
                Err(failed(error))
            }
        }
    }

    /// Returns typed keys and changes of size. The thread behind it ends when the receiver is dropped.
    pub(super) fn keys(&self) -> mpsc::Receiver<event::Event> {
        let (sender, receiver) = mpsc::channel(KEYS_MAX);
        std::thread::spawn(move || {
            while !sender.is_closed() {
                let event = match event::poll(LOOK_EVERY) {
                    Ok(false) => continue,
                    Ok(true) => event::read(),
                    Err(error) => Err(error),
                };
                // A closed terminal ends the receiver, and so `top`.
                let Ok(event) = event else { return };
                if sender.blocking_send(event).is_err() {
                    return;
                }
            }
        });
        receiver
    }

    /// Draws the differences from the last drawing.
    ///
    /// # Errors
    /// [`CliError::Runtime`] for a closed terminal.
    pub(super) fn draw(&mut self, board: &mut Board) -> Result<(), CliError> {
        let colour = self.colour;
        self.terminal.draw(|frame| view::draw(frame, board, colour)).map(drop).map_err(failed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}
