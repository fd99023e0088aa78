//! slotway-worker
fn main() {}
