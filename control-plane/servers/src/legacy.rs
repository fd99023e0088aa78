//! Documents as versions before 0.2 stored them: one document with three profiles, and servers by the URL of their worker.

use std::collections::BTreeMap;

use serde::Deserialize;
use slotway_config::{PoolName, WorkerUrl};
use slotway_store::{Kind, StoreError, from_json};

use crate::{ByteSize, Cpus, ResourceProfile, Server, SparkProfile};

/// The three profiles in one document.
pub(crate) const RESOURCE_PROFILES: Kind = Kind::new("resource_profiles");
/// Longest name that is derived from a URL: leaves room for a number.
const DERIVED_BYTES_MAX: usize = 56;

#[derive(Deserialize)]
struct LegacyProfiles {
    training: LegacyProfile,
    preannotation_server: LegacyProfile,
    preannotation_pipeline: LegacyProfile,
}

#[derive(Deserialize)]
struct LegacyProfile {
    memory_bytes: u64,
    cpu_millis: u32,
    spark_driver_memory_bytes: u64,
    kryo_buffer_bytes_max: u64,
    driver_result_bytes_max: u64,
}

/// Reads the document with the three profiles.
///
/// # Errors
/// [`StoreError::Document`].
pub(crate) fn profiles(
    key: &str,
    value: &str,
) -> Result<BTreeMap<&'static str, ResourceProfile>, StoreError> {
    let LegacyProfiles { training, preannotation_server, preannotation_pipeline } =
        from_json(RESOURCE_PROFILES, key, value)?;
    let named = [
        ("training", training),
        ("preannotation-server", preannotation_server),
        ("preannotation-pipeline", preannotation_pipeline),
    ];
    Ok(named.into_iter().map(|(name, profile)| (name, profile.into())).collect())
}

impl From<LegacyProfile> for ResourceProfile {
    fn from(profile: LegacyProfile) -> Self {
        Self {
            memory: ByteSize::from_bytes(profile.memory_bytes),
            cpus: Cpus::from_millis(profile.cpu_millis),
            gpus: 0,
            spark: Some(SparkProfile {
                driver_memory: ByteSize::from_bytes(profile.spark_driver_memory_bytes),
                kryo_buffer_max: ByteSize::from_bytes(profile.kryo_buffer_bytes_max),
                driver_max_result_size: ByteSize::from_bytes(profile.driver_result_bytes_max),
            }),
        }
    }
}

/// Reads a server that was stored by the URL of its worker: its key is the URL, its value the usage. `None` for one of today.
pub(crate) fn server(key: &str, value: &str) -> Option<Server> {
    let external: WorkerUrl = key.parse().ok()?;
    let usage: PoolName = serde_json::from_str(value).ok()?;
    Some(Server { usage, external })
}

/// Derives a name from the URL of a worker: `http://127.0.0.1:9001` becomes `worker-127-0-0-1-9001`. `is_taken` says which names
/// are not free.
pub(crate) fn derived_name(url: &WorkerUrl, is_taken: impl Fn(&str) -> bool) -> String {
    let behind_scheme = url.as_str().split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let mut name = String::from("worker-");
    for letter in behind_scheme.chars() {
        let letter = letter.to_ascii_lowercase();
        if letter.is_ascii_alphanumeric() {
            name.push(letter);
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(DERIVED_BYTES_MAX);
    let name = name.trim_end_matches('-').to_owned();
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_derived_from_each_url_and_is_free() {
        for (url, taken, name) in [
            ("http://127.0.0.1:9001", "", "worker-127-0-0-1-9001"),
            ("https://gpu.example/a/b", "", "worker-gpu-example-a-b"),
            ("http://[::1]:9001", "", "worker-1-9001"),
            ("http://127.0.0.1:9001", "worker-127-0-0-1-9001", "worker-127-0-0-1-9001-2"),
        ] {
            assert_eq!(derived_name(&url.parse().unwrap(), |name| name == taken), name, "{url}");
        }
        let long: WorkerUrl = format!("http://a/{}", "b".repeat(300)).parse().unwrap();
        let name = derived_name(&long, |_| false);
        assert!(
            name.parse::<slotway_store::ResourceName>().is_ok() && name.len() <= DERIVED_BYTES_MAX,
            "{name}"
        );
    }

    #[test]
    fn only_documents_of_before_are_taken_for_such() {
        assert!(server("http://a:1", "\"training\"").is_some());
        assert!(server("w5", r#"{"usage":"training","external":"http://a:1"}"#).is_none());
    }
}
