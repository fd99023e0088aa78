use clap::Args;
use serde_json::{Value, json};
use slotway_api_types::{CoordinatorState, SyncState, TypeStatus};

use super::{
    client::ResourceList,
    connection::{Connection, also_by_file},
    json_resource::JsonResource,
    kind::Kind,
    output::{Format, aligned, json, printable, say_text, yaml},
};
use crate::commands::CliError;

/// The shown part of a version, in characters: a prefix of a hash.
const VERSION_CHARS: usize = 12;
/// A cell without a value.
const NONE: &str = "-";

const EXAMPLES: &str = "\
Examples:
  slotway proxy-status                       wanted and acknowledged versions of each Envoy
  slotway proxy-status edge-1 -o wide        one Envoy, with complete versions and authors of rejected changes
  slotway proxy-status --exit-code           exits with 7 unless all Envoys are SYNCED

SYNCED: the Envoy has acknowledged the wanted version. STALE: it has not answered yet. REJECTED: it has rejected it, and runs the previous one.";

/// `slotway proxy-status`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = EXAMPLES)]
pub(super) struct ProxyStatus {
    /// Only the Envoys with these node ids
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Format,
    /// Exit with 7 unless all are SYNCED
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    connection: Connection,
}

impl ProxyStatus {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.connection.client()?;
        let coordinators = if self.nodes.is_empty() {
            let ResourceList { items, .. } = client.list(Kind::COORDINATOR, &[]).await?;
            items
        } else {
            let mut named = Vec::new();
            for node in &self.nodes {
                named.push(client.one(Kind::COORDINATOR, node).await?);
            }
            named
        };
        let with_status =
            |resource: JsonResource| Ok((client.status(Kind::COORDINATOR, &resource)?, resource));
        let coordinators: Vec<(CoordinatorState, JsonResource)> =
            coordinators.into_iter().map(with_status).collect::<Result<_, CliError>>()?;
        say_text(&render(&coordinators, self.output)?);
        let is_synced = |(status, _): &(CoordinatorState, _)| status.state == SyncState::Synced;
        if self.exit_code && !coordinators.iter().all(is_synced) { Err(CliError::Differs) } else { Ok(()) }
    }
}

fn render(coordinators: &[(CoordinatorState, JsonResource)], format: Format) -> Result<String, CliError> {
    let whole = || -> Value {
        let told = |(_, resource): &(CoordinatorState, JsonResource)| json!({ "node": resource.name(), "state": resource.at("status.state"), "types": resource.at("status.types") });
        coordinators.iter().map(told).collect()
    };
    match format {
        Format::Json => return json(&whole()),
        Format::Yaml => return yaml(&whole()),
        Format::Name => {
            return Ok(coordinators
                .iter()
                .map(|(_, resource)| format!("coordinator/{}\n", printable(resource.name())))
                .collect());
        }
        Format::Table | Format::Wide => {}
    }
    let wide = format == Format::Wide;
    let mut headings = vec!["NODE", "GROUP", "TYPE", "STATE", "WANTED", "ACKED", "REASON"];
    if wide {
        headings.push("CHANGED BY");
    }
    let mut lines = vec![headings.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for (status, resource) in coordinators {
        for (url, of_type) in &status.types {
            lines.push(line(resource.name(), &status.cluster, url, of_type, wide));
        }
        if status.types.is_empty() {
            let nothing = ["subscribes to nothing", "-", "-", "-", "-", "-"].map(str::to_owned);
            let named = [printable(resource.name()), printable(&status.cluster)];
            lines.push(named.into_iter().chain(nothing).take(lines[0].len()).collect());
        }
    }
    Ok(aligned(&lines))
}

fn line(node: &str, group: &str, url: &str, status: &TypeStatus, wide: bool) -> Vec<String> {
    let version = |version: Option<&str>| {
        let version = version.filter(|version| !version.is_empty()).unwrap_or(NONE);
        version.chars().take(if wide { usize::MAX } else { VERSION_CHARS }).collect::<String>()
    };
    // The last rejection stays visible to the API after a later acknowledgement.
    let rejection = status.last_rejection.as_ref().filter(|_| status.state == SyncState::Rejected);
    let mut line = vec![
        node.to_owned(),
        group.to_owned(),
        url.rsplit('.').next().unwrap_or_default().to_owned(),
        status.state.as_str().to_owned(),
        version(Some(&status.wanted)),
        version(status.acked.as_deref()),
        rejection.map_or(NONE, |rejection| &rejection.reason).to_owned(),
    ];
    if wide {
        let changes = rejection.and_then(|rejection| rejection.changes.as_ref()).into_iter().flatten();
        let authors: Vec<_> =
            changes.map(|change| format!("{}: {} {}", change.who, change.kind, change.key)).collect();
        line.push(if authors.is_empty() { NONE.to_owned() } else { authors.join("; ") });
    }
    line.iter().map(|cell| printable(cell)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_of_each_envoy_is_told_with_what_it_refused_and_why() {
        let ty = |name: &str| format!("type.googleapis.com/envoy.config.x.v3.{name}");
        let changes = json!([{ "who": "ada", "at_unix_ms": 1, "kind": "worker", "key": "https://a" }]);
        let rejection =
            json!({ "reason": "Invalid path:\n/nowhere.pem", "at_unix_ms": 1, "changes": changes });
        let mended = json!({ "reason": "mended since", "at_unix_ms": 1 });
        let version = |letter: &str| letter.repeat(20);
        let types = json!({
            ty("Cluster"): { "state": "REJECTED", "wanted": version("b"), "acked": version("a"), "last_rejection": rejection },
            ty("Listener"): { "state": "SYNCED", "wanted": "v1", "acked": "v1", "last_rejection": mended },
            ty("Runtime"): { "state": "STALE", "wanted": "v2", "acked": null, "last_rejection": null }
        });
        let coordinator = |name: &str, group: &str, types: Value| {
            let status = json!({
                "cluster": group, "envoy_version": "1.40.0", "protocol": "incremental", "connected_since_unix_ms": 0,
                "generation": null, "state": "REJECTED", "types": types, "pools": [], "report_age_ms": null,
                "generation_in_force": null
            });
            let resource =
                JsonResource::new(json!({ "metadata": { "name": name }, "status": status })).unwrap();
            (resource.status().unwrap(), resource)
        };
        let both = [coordinator("edge-1", "slotway", types), coordinator("edge-2", "g", json!({}))];
        assert_eq!(
            render(&both, Format::Table).unwrap(),
            "NODE    GROUP    TYPE                   STATE     WANTED        ACKED         REASON\n\
             edge-1  slotway  Cluster                REJECTED  bbbbbbbbbbbb  aaaaaaaaaaaa  Invalid path:\\n/nowhere.pem\n\
             edge-1  slotway  Listener               SYNCED    v1            v1            -\n\
             edge-1  slotway  Runtime                STALE     v2            -             -\n\
             edge-2  g        subscribes to nothing  -         -             -             -\n"
        );
        assert!(render(&both, Format::Wide).unwrap().contains("ada: worker https://a"));
    }
}
