//! Lanes that die, as Envoy's log tells them: to the moment, and also those of which the one who asked for it learns nothing.

use std::{
    io::{Read, Seek, SeekFrom},
    path::Path,
    time::{Duration, Instant},
};

use crate::run::Run;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What is found may be as old as this.
const FOUND_LATE: Duration = Duration::from_millis(300);
/// Envoy makes the lane's new VM with a later request, and not within a second of the last one.
const NEW_VM_WITHIN: Duration = Duration::from_millis(1_500);

/// Notes down when lanes die. It never ends.
pub(crate) async fn watch<Never>(run: &Run, log: &Path) -> Never {
    let mut read = 0;
    let mut rest = String::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let mut news = Vec::new();
        if let Ok(mut file) = std::fs::File::open(log)
            && file.seek(SeekFrom::Start(read)).is_ok()
        {
            read += file.read_to_end(&mut news).unwrap_or(0) as u64;
        }
        rest.push_str(&String::from_utf8_lossy(&news));
        let Some(end) = rest.rfind('\n') else { continue };
        for callback in rest[..end].lines().filter_map(death) {
            let now = Instant::now();
            run.lane_dead.add(now.checked_sub(FOUND_LATE).unwrap_or(now), now + NEW_VM_WITHIN);
            run.tally.deaths.add(callback);
        }
        rest.drain(..=end);
    }
}

/// The callback in which a VM has died, if the line tells of that.
fn death(line: &str) -> Option<&str> {
    let (_, what) = line.split_once("[error][wasm]")?.1.split_once("Function: ")?;
    Some(what.split_once(" failed")?.0)
}
