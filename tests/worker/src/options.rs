use clap::{Parser, value_parser};
use slotway_config::{WaitDuration, limits};

/// Highest `--body-bytes-max`: offsets are kept in 32 bits.
pub const BODY_BYTES_LIMIT: u64 = 1 << 30;

/// The reference worker of Slotway: finds the names of places, people and organizations in a text.
#[derive(Debug, Clone, Parser)]
#[command(name = "slotway-worker", version, max_term_width = 110)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001")]
    pub listen: String,
    /// Name of this worker, in its messages and in the x-worker header of its answers
    #[arg(long, value_name = "NAME", default_value = "worker", value_parser = parse_name)]
    pub name: String,
    /// How many annotations run at once; more requests than that queue inside the worker
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = value_parser!(u32).range(1..=i64::from(limits::CAPACITY_MAX)))]
    pub pipeline_pool_max_size: u32,
    /// How many requests may queue inside the worker; the next one gets 503
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub queued_max: u32,
    /// What each annotation takes at least, in place of a heavier model; for example 200ms or 2s
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = clap::value_parser!(WaitDuration))]
    pub delay: WaitDuration,
    /// Serve everything under this path too, for example /extractor-web
    #[arg(long, value_name = "PATH", value_parser = parse_base_path)]
    pub base_path: Option<String>,
    /// Longest document, in bytes; a longer one gets 413
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20,
          value_parser = value_parser!(u64).range(1..=BODY_BYTES_LIMIT))]
    pub body_bytes_max: u64,
    /// Stop when standard input ends, so that the worker does not outlive the process at the other end of that pipe
    #[arg(long)]
    pub exit_on_stdin_eof: bool,
}

fn parse_name(name: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > limits::POOL_NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return Err("use 1 to 63 of a-z, A-Z, 0-9, -, _ and .");
    }
    Ok(name.to_owned())
}

fn parse_base_path(path: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let trimmed = path.trim_end_matches('/');
    if !trimmed.starts_with('/') || trimmed.contains("//") || !trimmed.bytes().all(allowed) {
        return Err("it must begin with /, name something, and have only a-z, A-Z, 0-9, -, _, ., ~ and /");
    }
    if trimmed.len() > limits::PREFIX_BYTES_MAX {
        return Err("it is longer than 1024 bytes");
    }
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<Options, clap::Error> {
        Options::try_parse_from(std::iter::once("slotway-worker").chain(arguments.split_whitespace()))
    }

    #[test]
    fn the_defaults_are_one_place_on_loopback() {
        let options = parse("").unwrap();
        assert_eq!(options.listen, "127.0.0.1:9001");
        assert_eq!(options.pipeline_pool_max_size, 1);
        assert_eq!(options.delay, WaitDuration::ZERO);
    }

    #[test]
    fn bad_values_are_refused() {
        for bad in [
            "--pipeline-pool-max-size 0",
            "--pipeline-pool-max-size 65536",
            "--delay 5",
            "--delay -1s",
            "--name é",
            "--base-path /",
            "--base-path x",
            "--base-path /a//b",
            "--base-path /{x}",
            "--body-bytes-max 0",
            "--body-bytes-max 1073741825",
            "--queued-max -1",
            "--nosuch",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_slash_at_the_end_of_the_base_path_does_not_count() {
        assert_eq!(parse("--base-path /extractor-web/").unwrap().base_path.unwrap(), "/extractor-web");
    }
}
