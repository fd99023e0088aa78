use std::process::Command;

use crate::{contender::installed, report::Machine};
use slotway_test_site::envoy;

impl Machine {
    /// Returns this machine and the installed versions.
    pub(crate) fn here() -> Self {
        let cpu_info = read("/proc/cpuinfo");
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':'))
                .map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let kilobytes: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        Self {
            cpu: field(&cpu_info, "model name"),
            cores: cpu_info.lines().filter(|line| line.starts_with("processor")).count() as u32,
            memory_bytes: kilobytes * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            envoy: version(Command::new(envoy()).arg("--version")),
            haproxy: version(installed("haproxy").arg("-v")),
            nginx: version(installed("nginx").arg("-v")),
            wrk: version(installed("wrk").arg("-v")),
            date: says(Command::new("date").args(["-u", "+%Y-%m-%d"])).trim().to_owned(),
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn says(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // nginx and wrk print their versions on standard error, or with a non-zero exit code.
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Returns the first number with dots in a program's output.
fn version(command: &mut Command) -> String {
    first_version(&says(command))
}

fn first_version(text: &str) -> String {
    let numbers = text.split(|other: char| !(other.is_ascii_digit() || other == '.'));
    let version = numbers.map(|word| word.trim_matches('.')).find(|word| word.contains('.'));
    version.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::first_version;

    #[test]
    fn a_version_is_found_in_what_programs_say() {
        assert_eq!(first_version("envoy  version: 9e5580933739775e8b/1.40.0/Clean/RELEASE"), "1.40.0");
        assert_eq!(first_version("HAProxy version 2.6.12-1+deb12u4 2026/10/17"), "2.6.12");
        assert_eq!(first_version("nginx version: nginx/1.22.1\n"), "1.22.1");
        assert_eq!(first_version("wrk debian/4.1.0-3+b2 [epoll]"), "4.1.0");
        assert_eq!(first_version("nothing"), "");
    }
}
