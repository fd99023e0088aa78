use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde_json::Value;
use slotway_api_types::{RequiredScope, kinds};

use super::{archive::Archive, facts};
use crate::commands::CliError;
use crate::commands::client::{ApiClient, ApiRequest};
use crate::config::Config;
use slotway_coordinators::envoy::admin::AdminPort;

/// The control plane's answers that are collected beside the resources.
const REST: [(&str, &str); 7] = [
    ("readyz.txt", "/readyz"),
    ("metrics.txt", "/metrics"),
    ("coordinator-workers.json", "/coordinator/workers"),
    ("coordinator-envoys.json", "/coordinator/envoys"),
    ("audit.json", "/api/v1/audit?limit=200"),
    ("healthz.txt", "/healthz"),
    ("readyz-store.txt", "/readyz/store"),
];
/// The answers of Envoy's admin port that are collected.
const ENVOY: [(&str, &str); 5] = [
    ("server_info.json", "/server_info"),
    ("config_dump.json", "/config_dump"),
    ("clusters.json", "/clusters?format=json"),
    ("listeners.json", "/listeners?format=json"),
    ("stats.txt", "/stats"),
];
/// The largest answer of Envoy, in bytes.
const ENVOY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The collected part of the end of a log, in bytes.
const LOG_BYTES: u64 = 512 * 1024;
/// The largest number of logs.
const LOGS_MAX: usize = 32;
/// The largest configuration file, in bytes.
const CONFIG_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Collects everything. Failures are noted in the bundle, and do not stop the collection.
pub(super) async fn all(
    archive: &mut Archive,
    config: &Config,
    client: Result<ApiClient, CliError>,
    file: Option<&Path>,
) -> Result<(), CliError> {
    archive.add("version.txt", format!("slotway {}\n", env!("CARGO_PKG_VERSION")).as_bytes())?;
    archive.add("system.txt", facts::system().as_bytes())?;
    if let Some(file) = file {
        match configuration(file) {
            Ok(json) => archive.add("configuration.json", json.as_bytes())?,
            Err(why) => archive.missing("configuration.json", &why),
        }
    }
    match client {
        Ok(client) => rest(archive, &client).await?,
        Err(why) => archive.missing("control-plane", &why.to_string()),
    }
    for (name, path) in ENVOY {
        match AdminPort(config.envoy.admin).ask("GET", path, ENVOY_BYTES_MAX).await {
            Ok(bytes) => archive.add(&format!("envoy/{name}"), &bytes)?,
            Err(why) => archive.missing(&format!("envoy/{name}"), &format!("{}: {why}", config.envoy.admin)),
        }
    }
    state(archive, &config.state)
}

async fn rest(archive: &mut Archive, client: &ApiClient) -> Result<(), CliError> {
    // Not users and tokens, which only admins may read.
    let kinds = kinds::ALL.into_iter().filter(|kind| kind.read == RequiredScope::Read);
    let resources =
        kinds.map(|kind| (format!("{}.json", kind.path), format!("{}?limit=1000", kind.collection())));
    let others = REST.map(|(name, path)| (name.to_owned(), path.to_owned()));
    for (name, path) in others.into_iter().chain(resources) {
        match client.send(&ApiRequest::get(path.as_str(), path.as_str())).await {
            Ok(answer) => archive.add(&format!("control-plane/{name}"), text(answer.body).as_bytes())?,
            Err(error) => archive.missing(&format!("control-plane/{name}"), &error.to_string()),
        }
    }
    Ok(())
}

fn text(body: Value) -> String {
    match body {
        Value::String(text) => text,
        json => json.to_string(),
    }
}

/// Returns the configuration file as JSON, and so without its comments, which may contain secrets.
fn configuration(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(file).and_then(|open| open.take(CONFIG_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|error| error.to_string())?;
    let value: Result<Value, _> = serde_saphyr::from_str(&text);
    // The parser's message may quote the file.
    value.map(|value| value.to_string()).map_err(|_| "it is not YAML".to_owned())
}

/// Adds names and sizes of the files in the state directory, and the ends of the logs.
fn state(archive: &mut Archive, directory: &Path) -> Result<(), CliError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            archive.missing("state", &format!("{}: {error}", directory.display()));
            return Ok(());
        }
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut listing = String::new();
    let mut logs = 0;
    for path in paths {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        listing.push_str(&format!("{:>12} {name}\n", metadata.len()));
        if metadata.is_file() && name.ends_with(".log") && logs < LOGS_MAX {
            logs += 1;
            match end_of(&path) {
                Ok(end) => archive.add(&format!("logs/{name}"), &end)?,
                Err(error) => archive.missing(&format!("logs/{name}"), &error.to_string()),
            }
        }
    }
    archive.add("state.txt", listing.as_bytes())
}

/// Returns the last lines of a log, beginning with a complete one.
fn end_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let begin = file.metadata()?.len().saturating_sub(LOG_BYTES);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut bytes)?;
    if begin > 0 {
        let whole = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        bytes.drain(..whole);
    }
    Ok(bytes)
}
