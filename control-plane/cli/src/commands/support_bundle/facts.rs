use std::{fmt::Write, fs};

/// Files that describe the system and its state.
const FILES: [&str; 8] = [
    "/etc/os-release",
    "/proc/version",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/uptime",
    "/proc/self/limits",
    "/proc/self/cgroup",
    "/sys/fs/cgroup/memory.max",
];
/// Prefixes of environment variables that are listed, without their values.
const VARIABLES: [&str; 4] = ["SLOTWAY_", "OTEL_", "PG", "ENVOY"];

/// Describes the system, without names of machines or people.
pub(super) fn system() -> String {
    let mut text = String::new();
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let _ = writeln!(text, "processors: {cpus}\npage size: {}", rustix::param::page_size());
    let mut names: Vec<_> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| VARIABLES.iter().any(|begin| name.starts_with(begin)))
        .collect();
    names.sort();
    let _ = writeln!(text, "set in the environment: {}", names.join(" "));
    for file in FILES {
        if let Ok(content) = fs::read_to_string(file) {
            let _ = writeln!(text, "\n== {file}\n{}", content.trim_end());
        }
    }
    text
}
