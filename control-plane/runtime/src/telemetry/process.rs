use std::{fs, sync::OnceLock};

/// Resource usage of this process, as Prometheus's own libraries define it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Process {
    /// The start, as Unix time in seconds.
    pub start_time_unix_s: f64,
    /// User and system time used, in seconds.
    pub cpu_s: f64,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// The address space, in bytes.
    pub virtual_bytes: u64,
    /// The number of threads.
    pub threads: u64,
    /// The number of open files.
    pub open_files: u64,
    /// The limit of open files; none if unlimited.
    pub open_files_max: Option<u64>,
}

impl Process {
    /// Reads the present usage; `None` if the system does not tell.
    pub fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let open_files = fs::read_dir("/proc/self/fd").ok()?.count();
        // The name in front may contain anything, and ends with the last parenthesis (proc_pid_stat(5)).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // The manual counts from 1, and the two fields in front are removed.
        let number = |at: usize| fields.get(at - 3)?.parse::<u64>().ok();
        let ticks_a_second = rustix::param::clock_ticks_per_second();
        let seconds = |ticks: u64| ticks as f64 / ticks_a_second as f64;
        Some(Self {
            start_time_unix_s: booted_unix_s()? as f64 + seconds(number(22)?),
            cpu_s: seconds(number(14)? + number(15)?),
            resident_bytes: number(24)?.saturating_mul(rustix::param::page_size() as u64),
            virtual_bytes: number(23)?,
            threads: number(20)?,
            open_files: open_files as u64,
            open_files_max: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
        })
    }
}

/// Returns when the system was booted, as Unix time in seconds.
fn booted_unix_s() -> Option<u64> {
    static BOOTED: OnceLock<Option<u64>> = OnceLock::new();
    let read = || {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    };
    *BOOTED.get_or_init(read)
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_figures_of_this_process_are_plausible() {
        let process = Process::now().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        // The boot time is in whole seconds.
        assert!((process.start_time_unix_s..process.start_time_unix_s + 3_600.0).contains(&(now + 2.0)));
        assert!(process.resident_bytes > 1_000_000 && process.resident_bytes < process.virtual_bytes);
        assert!(process.threads >= 1 && process.open_files >= 3);
    }
}
