//! The configuration file: no text makes the parser panic or hang, and each error names a position in the text.
#![no_main]

use std::path::Path;

use libfuzzer_sys::{Corpus, fuzz_target};
use slotway::config::parse;
use slotway_config::{FilterConfig, check_pools};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(yaml) = std::str::from_utf8(data) else { return Corpus::Reject };
    match parse(Path::new("fuzz.yaml"), yaml) {
        Ok(config) => {
            assert!(!config.pools.is_empty());
            assert_eq!(check_pools(&config.pools), Ok(()));
            assert_eq!(config.check_addresses(), Ok(()));
            // The configuration of the filter, as the control plane sends it.
            let told = FilterConfig {
                debug_headers: config.debug_headers,
                lane_lease: config.lane_lease,
                pools: config.pools,
                ..FilterConfig::from_json(br#"{ "generation": 1, "pools": [] }"#).expect("a configuration")
            };
            let json = told.to_json().expect("a configuration can be written");
            assert_eq!(FilterConfig::from_json(json.as_bytes()).as_ref(), Ok(&told));
        }
        Err(error) => {
            assert!(!error.reason.is_empty(), "an error without a reason");
            let line = error.to_string();
            assert!(!line.contains('\n'), "more than a line: {line}");
            if let Some((line, column)) = error.at {
                assert_in_text(yaml, line, column);
            }
        }
    }
    Corpus::Keep
});

/// Asserts that the position exists, or is just behind the end of the line or of the text.
fn assert_in_text(yaml: &str, line: u64, column: u64) {
    // YAML 1.2 has three line breaks (5.4).
    let text = yaml.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<_> = text.split('\n').collect();
    let at = usize::try_from(line).ok().and_then(|line| line.checked_sub(1)).expect("a line from 1");
    let length = lines.get(at).map(|line| line.chars().count());
    let length = length.unwrap_or_else(|| panic!("line {line} of {} lines", lines.len()));
    assert!((1..=length as u64 + 1).contains(&column), "column {column} of line {line}, which has {length}");
}
