//! The `slotway` command.
fn main() {}
