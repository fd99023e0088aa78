//! What the commands print. A reader that has gone away (`slotway get workers | head -1`) is no failure of theirs.

use std::{fmt::Display, io::Write};

/// Prints a line.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
