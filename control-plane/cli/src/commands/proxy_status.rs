use clap::Args;
use serde_json::{Map, Value, json};

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
/// The state of a type whose wanted version is acknowledged.
const SYNCED: &str = "SYNCED";

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
        say_text(&render(&coordinators, self.output)?);
        let synced = |resource: &JsonResource| resource.text("status.state") == Some(SYNCED);
        if self.exit_code && !coordinators.iter().all(synced) { Err(CliError::Differs) } else { Ok(()) }
    }
}

fn render(coordinators: &[JsonResource], format: Format) -> Result<String, CliError> {
    let whole = || -> Value {
        let told = |resource: &JsonResource| json!({ "node": resource.name(), "state": resource.at("status.state"), "types": resource.at("status.types") });
        coordinators.iter().map(told).collect()
    };
    match format {
        Format::Json => return json(&whole()),
        Format::Yaml => return yaml(&whole()),
        Format::Name => {
            return Ok(coordinators
                .iter()
                .map(|resource| format!("coordinator/{}\n", printable(resource.name())))
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
    let empty = Map::new();
    for resource in coordinators {
        let types = resource.at("status.types").and_then(Value::as_object).unwrap_or(&empty);
        for (url, status) in types {
            lines.push(line(resource, url, status, wide));
        }
        if types.is_empty() {
            let nothing = ["subscribes to nothing", "-", "-", "-", "-", "-"].map(str::to_owned);
            let group = resource.text("status.cluster").unwrap_or("-");
            let named = [printable(resource.name()), printable(group)];
            lines.push(named.into_iter().chain(nothing).take(lines[0].len()).collect());
        }
    }
    Ok(aligned(&lines))
}

fn line(resource: &JsonResource, url: &str, status: &Value, wide: bool) -> Vec<String> {
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str);
    let version = |pointer: &str| {
        let version = text(pointer).filter(|version| !version.is_empty()).unwrap_or("-");
        version.chars().take(if wide { usize::MAX } else { VERSION_CHARS }).collect::<String>()
    };
    let state = text("/state").unwrap_or("-");
    // The last rejection stays visible to the API after a later acknowledgement.
    let rejected = state == "REJECTED";
    let reason = text("/last_rejection/reason").filter(|_| rejected).unwrap_or("-");
    let mut line = vec![
        resource.name().to_owned(),
        resource.text("status.cluster").unwrap_or("-").to_owned(),
        url.rsplit('.').next().unwrap_or_default().to_owned(),
        state.to_owned(),
        version("/wanted"),
        version("/acked"),
        reason.to_owned(),
    ];
    if wide {
        let changes =
            status.pointer("/last_rejection/changes").and_then(Value::as_array).filter(|_| rejected);
        let told = changes.into_iter().flatten().map(|change| {
            let text = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{}: {} {}", text("who"), text("kind"), text("key"))
        });
        let told = told.collect::<Vec<_>>().join("; ");
        line.push(if told.is_empty() { "-".to_owned() } else { told });
    }
    line.iter().map(|cell| printable(cell)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_of_each_envoy_is_told_with_what_it_refused_and_why() {
        let ty = |name: &str| format!("type.googleapis.com/envoy.config.x.v3.{name}");
        let changes = json!([{ "who": "ada", "kind": "worker", "key": "https://a" }]);
        let rejection = json!({ "reason": "Invalid path:\n/nowhere.pem", "changes": changes });
        let mended = json!({ "reason": "mended since" });
        let version = |letter: &str| letter.repeat(20);
        let types = json!({
            ty("Cluster"): { "state": "REJECTED", "wanted": version("b"), "acked": version("a"), "last_rejection": rejection },
            ty("Listener"): { "state": "SYNCED", "wanted": "v1", "acked": "v1", "last_rejection": mended },
            ty("Runtime"): { "state": "STALE", "wanted": "v2", "acked": null, "last_rejection": null }
        });
        let status = json!({ "cluster": "slotway", "state": "REJECTED", "types": types });
        let resource = |name: &str, status: Value| {
            JsonResource::new(json!({ "metadata": { "name": name }, "status": status })).unwrap()
        };
        let both = [resource("edge-1", status), resource("edge-2", json!({ "cluster": "g", "types": {} }))];
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
