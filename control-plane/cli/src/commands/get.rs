use std::str::FromStr;

use clap::Args;
use serde_json::json;

use super::{
    client::{ApiClient, ApiRequest},
    completion,
    connection::{Connection, also_by_file},
    envoys,
    json_resource::JsonResource,
    kind::{self, Kind, ResourceArgument},
    output::{Format, aligned, json, say_text, yaml},
    table, watch,
};
use crate::commands::CliError;
use slotway_api_types::CoordinatorStatus;

/// `slotway get`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = EXAMPLES)]
pub(super) struct Get {
    #[arg(value_name = "KIND", help = kind::help(|_| true, ", envoys"), add = completion::kinds())]
    what: Target,
    /// Only the resources with these names
    #[arg(value_name = "NAME", add = completion::names())]
    names: Vec<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Format,
    /// Only resources with this label; of several labels, all have to match
    #[arg(short = 'l', long = "label", value_name = "LABEL=VALUE", value_delimiter = ',', value_parser = label)]
    labels: Vec<String>,
    /// Only workers of this pool
    #[arg(long, value_name = "POOL", add = completion::pools())]
    pool: Option<String>,
    /// Only workers in this state: active, pending, draining, probing, parked, unknown, cordoned, drained, down, starting
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Keep running, and print each change
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    connection: Connection,
}

const EXAMPLES: &str = "\
Examples:
  slotway get workers                            state and free slots of each worker
  slotway get workers --pool ocr --state active  a selection
  slotway get workers -l gpu=a100 -o wide        by label, with all columns
  slotway get worker http://127.0.0.1:9001 -o yaml
  slotway get pools -w                           the pools and each change of them
  slotway get workers -o yaml > workers.yaml     as `slotway apply -f` reads it
  slotway get envoys                             the Envoys with rejected configurations";

/// The resources to show.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// Resources.
    Resources(ResourceArgument),
    /// The Envoys as `/coordinator/envoys` lists them.
    Envoys,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "envoy" | "envoys" => Ok(Self::Envoys),
            _ => text.parse().map(Self::Resources).map_err(|error| match error {
                error if error.contains("Known: ") => error + ", envoys",
                error => error,
            }),
        }
    }
}

fn label(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("expected LABEL=VALUE, such as gpu=a100".to_owned()),
    }
}

impl Get {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let client = self.connection.client()?;
        let Target::Resources(named) = &self.what else { return self.envoys(&client).await };
        let names = named.names(&self.names);
        let fields = self.fields(named.kind, &names)?;
        if self.watch {
            return watch::run(client, named.kind, names, fields, self.output).await;
        }
        let text = match names.as_slice() {
            [] => {
                let asked: Vec<_> =
                    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let list = client.list(named.kind, &asked).await?;
                if let (true, Some(pool)) = (list.items.is_empty(), &self.pool) {
                    // An unknown pool is an error, with the known ones. A pool without such workers is an empty table.
                    client.one(Kind::POOL, pool).await?;
                }
                render(named.kind, &list.items, Some(&list.version), self.output)?
            }
            [name] => {
                let resource = client.one(named.kind, name).await?;
                render(named.kind, &[resource], None, self.output)?
            }
            names => {
                let mut items = Vec::new();
                for name in names {
                    items.push(client.one(named.kind, name).await?);
                }
                render(named.kind, &items, Some(""), self.output)?
            }
        };
        say_text(&text);
        Ok(())
    }

    /// Returns the query that selects among the resources of a kind.
    fn fields(&self, kind: Kind, names: &[String]) -> Result<Vec<(String, String)>, CliError> {
        let labels = self.labels.iter().map(|label| ("label", Some(label)));
        let others = [("pool", self.pool.as_ref()), ("state", self.state.as_ref())];
        let said: Vec<_> = labels
            .chain(others)
            .filter_map(|(name, value)| Some((name.to_owned(), value?.clone())))
            .collect();
        if !said.is_empty() && !names.is_empty() {
            let reason = "names cannot be combined with -l, --pool and --state";
            return Err(CliError::Usage(reason.to_owned()));
        }
        if !said.is_empty() && kind != Kind::WORKER {
            let reason = format!("-l, --pool and --state select workers, not {}", kind.titles);
            return Err(CliError::Usage(reason));
        }
        Ok(said)
    }

    async fn envoys(&self, client: &ApiClient) -> Result<(), CliError> {
        if self.watch || !self.names.is_empty() || !self.fields(Kind::COORDINATOR, &[])?.is_empty() {
            let reason = "`get envoys` has no selection and no --watch. Use `get coordinators`";
            return Err(CliError::Usage(reason.to_owned()));
        }
        let ask = ApiRequest::get("/coordinator/envoys", "envoys");
        let body = client.send(&ask).await?.body;
        let envoys: Vec<CoordinatorStatus> =
            serde_json::from_value(body).map_err(|_| client.unexpected(&ask, "not a list of Envoys"))?;
        say_text(&envoys::render(&envoys, self.output)?);
        Ok(())
    }
}

/// Renders resources: a list if there is a version, else a single resource.
pub(super) fn render(
    kind: Kind,
    items: &[JsonResource],
    version: Option<&str>,
    format: Format,
) -> Result<String, CliError> {
    let whole = || match version {
        None => items.first().map(|resource| resource.value().clone()).unwrap_or_default(),
        Some(version) => json!({
            "kind": format!("{}List", kind.name),
            "resourceVersion": version,
            "items": items.iter().map(JsonResource::value).collect::<Vec<_>>(),
        }),
    };
    match format {
        Format::Json => json(&whole()),
        Format::Yaml => yaml(&whole()),
        Format::Name => {
            Ok(items.iter().map(|resource| format!("{}/{}\n", kind.word, resource.name())).collect())
        }
        Format::Table | Format::Wide => {
            let wide = format == Format::Wide;
            let mut lines = vec![table::headings(kind, wide)];
            lines.extend(items.iter().map(|resource| table::line(kind, wide, resource)));
            Ok(aligned(&lines))
        }
    }
}
