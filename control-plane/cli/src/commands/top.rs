//! `slotway top`: pools, workers and waiting requests, live.

mod board;
mod ending;
mod keys;
mod screen;
mod view;

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use clap::Args;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use self::{
    board::{Board, Link, Order},
    keys::Done,
    screen::Screen,
};
use super::{
    connection::{Connection, also_by_file},
    kind::Kind,
    live::{Update, follow},
    output::{Colour, say_text},
};
use crate::commands::CliError;

/// The followed kinds.
const KINDS: [Kind; 3] = [Kind::POOL, Kind::WORKER, Kind::COORDINATOR];
/// The interval of samples of a history.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// The shortest time between two drawings.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// The columns of `--once` where `COLUMNS` is not set.
const WIDTH: u16 = 80;
const WIDTH_MIN: u16 = 60;

const EXAMPLES: &str = "\
Examples:
  slotway top                     live; q ends it, ? tells the keys
  slotway top --pool ocr          one pool
  slotway top --once              one picture as text, for a script
  COLUMNS=200 slotway top --once --sort in-flight

A worker's bar: # a slot in flight, . a free one, x a parked one (on a terminal: \u{2588} \u{b7} \u{d7}). HIGH is the most that was resource since it began.";

/// `slotway top`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = EXAMPLES)]
pub(super) struct Top {
    /// Print the state once, as text
    #[arg(long)]
    once: bool,
    /// Only this pool and its workers
    #[arg(long, value_name = "POOL", add = super::completion::pools())]
    pool: Option<String>,
    /// The order of the workers
    #[arg(long, value_enum, default_value_t)]
    sort: Order,
    /// When to use colours
    #[arg(long, value_enum, default_value_t)]
    colour: Colour,
    #[command(flatten)]
    connection: Connection,
}

impl Top {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.connection.client()?;
        let mut board = Board::new(client.origin().to_string(), self.sort, self.pool.clone());
        if self.once || !std::io::stdout().is_terminal() {
            if !self.once {
                eprintln!("slotway: standard output is not a terminal; printing once, as with --once");
            }
            for kind in KINDS {
                let list = client.list(kind, &[]).await?;
                let resource = list.items.into_iter();
                board.take(resource.map(|resource| super::live::Change::of(kind, resource)).collect());
            }
            board.sample();
            let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
            say_text(&view::text(&board, width.unwrap_or(WIDTH).max(WIDTH_MIN)));
            return Ok(());
        }
        let updates = follow(client, KINDS.to_vec(), Vec::new());
        self.show(board, updates).await
    }

    async fn show(
        &self,
        mut board: Board,
        mut updates: tokio::sync::mpsc::Receiver<Update>,
    ) -> Result<(), CliError> {
        let mut ended = ending::ending()?;
        // The screen is set up only after the first successful read, so that an error is still one line.
        match updates.recv().await {
            Some(Update::Changed(changes)) => board.take(changes),
            Some(Update::Failed(error) | Update::Lost(error)) => return Err(error),
            None => return Ok(()),
        }
        let mut screen = Screen::begin(self.colour.is_on())?;
        let mut keys = screen.keys();
        let mut samples = interval(SAMPLE_EVERY);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drawn = Instant::now();
        let mut stale = false;
        screen.draw(&mut board)?;
        loop {
            tokio::select! {
                _ = ended.recv() => return Ok(()),
                key = keys.recv() => match key {
                    None => return Ok(()),
                    Some(event) => match keys::take(&event, &mut board) {
                        Done::Quit => return Ok(()),
                        Done::Drawn => {
                            screen.draw(&mut board)?;
                            (drawn, stale) = (Instant::now(), false);
                        }
                        Done::Nothing => {}
                    },
                },
                update = updates.recv() => {
                    match update {
                        None => return Ok(()),
                        Some(Update::Changed(changes)) => {
                            board.take(changes);
                            board.link = Link::Live;
                        }
                        Some(Update::Lost(error)) => board.link = Link::Lost(error.to_string()),
                        Some(Update::Failed(error)) => return Err(error),
                    }
                    stale = true;
                }
                _ = samples.tick() => {
                    board.sample();
                    stale = true;
                }
                () = sleep_until((drawn + DRAW_EVERY).into()), if stale => {
                    screen.draw(&mut board)?;
                    (drawn, stale) = (Instant::now(), false);
                }
            }
        }
    }
}
