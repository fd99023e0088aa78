//! The `slotway` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    slotway::run()
}
