//! Crashes of lanes, as Envoy's log reports them, including crashes without an answer to the request that caused them.

use std::{
    io::{Read, Seek, SeekFrom},
    path::Path,
    time::{Duration, Instant},
};

use crate::run::Run;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Delay between a crash and its line in the log, at most.
const FOUND_LATE: Duration = Duration::from_millis(300);
/// Envoy creates the new VM of a lane with a later request, at least a second after the previous creation.
const NEW_VM_WITHIN: Duration = Duration::from_millis(1_500);

/// Records crashes of lanes. Never returns.
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

/// Returns the callback in which a VM crashed, if the line reports a crash.
fn death(line: &str) -> Option<&str> {
    let (_, what) = line.split_once("[error][wasm]")?.1.split_once("Function: ")?;
    Some(what.split_once(" failed")?.0)
}
