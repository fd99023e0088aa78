use clap::Subcommand;
use envoy_types::pb::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{
        DeltaDiscoveryRequest, Resource,
        aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
    },
};
use serde_json::{Value, json};
use slotway_agents_proto::{AgentType, TYPES};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{Configured, output::say};
use crate::commands::CliError;
use crate::config::{Config, EnvoyTls};
use slotway_coordinators::envoy::reachable;
use slotway_pools::DEFAULT_GROUP;

/// `slotway xds`
#[derive(Debug, Subcommand)]
pub(super) enum Xds {
    /// Print the resources of a type and each change of them as lines of JSON
    Watch(Watch),
}

#[derive(Debug, clap::Args)]
pub(super) struct Watch {
    #[arg(value_name = "TYPE", help = help(), value_parser = agent_type)]
    what: AgentType,
    #[command(flatten)]
    configured: Configured,
    /// The node id, unique among all nodes [default: watch-PID]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// The node's group
    #[arg(long, value_name = "NAME", default_value = DEFAULT_GROUP)]
    group: String,
}

/// Returns the help of the argument that names a type.
fn help() -> String {
    format!("The type of the resources: {}", TYPES.map(|ty| ty.word).join(", "))
}

/// Parses the name of a type of resource.
fn agent_type(word: &str) -> Result<AgentType, String> {
    let found = TYPES.into_iter().find(|ty| ty.word == word);
    found.ok_or_else(|| format!("use one of {}", TYPES.map(|ty| ty.word).join(", ")))
}

impl Xds {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let Self::Watch(watch) = self;
        let config = watch.configured.load()?;
        let url = format!("{}", reachable(config.xds));
        let failed = |reason: String| CliError::Request { url: url.clone(), reason };
        let unreachable = |reason| CliError::Unreachable { url: url.clone(), reason };
        let channel = connect(&config).await.map_err(unreachable)?;
        let (requests, stream) = mpsc::channel(1);
        let node = Node {
            id: watch.node.clone().unwrap_or_else(|| format!("watch-{}", std::process::id())),
            cluster: watch.group.clone(),
            ..Node::default()
        };
        let first = DeltaDiscoveryRequest {
            node: Some(node),
            type_url: watch.what.type_url.to_owned(),
            ..DeltaDiscoveryRequest::default()
        };
        let ended = |_| failed("the stream has ended".to_owned());
        requests.send(first).await.map_err(ended)?;
        let mut request = Request::new(ReceiverStream::new(stream));
        if let Some(token) = token(&config, &watch.group)? {
            let value = format!("Bearer {token}").parse();
            let value =
                value.map_err(|_| failed("the token has characters that a header cannot have".to_owned()))?;
            request.metadata_mut().insert("authorization", value);
        }
        let answer = AggregatedDiscoveryServiceClient::new(channel).delta_aggregated_resources(request).await;
        let mut responses = answer.map_err(|status| failed(status.message().to_owned()))?.into_inner();
        loop {
            let response = responses.message().await.map_err(|status| failed(status.message().to_owned()))?;
            let Some(response) = response else { return Err(failed("the stream has ended".to_owned())) };
            for resource in &response.resources {
                say(shown(watch.what, resource).map_err(|error| failed(error.to_string()))?);
            }
            for name in &response.removed_resources {
                say(json!({ "name": name, "removed": true }));
            }
            let ack = DeltaDiscoveryRequest {
                type_url: response.type_url,
                response_nonce: response.nonce,
                ..DeltaDiscoveryRequest::default()
            };
            requests.send(ack).await.map_err(ended)?;
        }
    }
}

fn shown(what: AgentType, resource: &Resource) -> Result<Value, prost::DecodeError> {
    let body = resource.resource.as_ref().map(|any| &*any.value).unwrap_or_default();
    Ok(json!({ "name": resource.name, "version": resource.version, "resource": what.to_json(body)? }))
}

fn token(config: &Config, group: &str) -> Result<Option<String>, CliError> {
    let settings = config.groups.iter().find(|settings| settings.name == group);
    Ok(settings.map_or(Ok(None), crate::config::GroupSettings::token)?)
}

async fn connect(config: &Config) -> Result<Channel, String> {
    let address = reachable(config.xds);
    let scheme = if config.envoy.tls.is_some() { "https" } else { "http" };
    let endpoint =
        Endpoint::from_shared(format!("{scheme}://{address}")).map_err(|error| error.to_string())?;
    let endpoint = match &config.envoy.tls {
        Some(tls) => endpoint.tls_config(client(tls)?).map_err(|error| error.to_string())?,
        None => endpoint,
    };
    let hint = "Is the control plane running? Start it with `slotway serve -f FILE`";
    endpoint.connect().await.map_err(|error| format!("{error}. {hint}"))
}

fn client(tls: &EnvoyTls) -> Result<ClientTlsConfig, String> {
    let read =
        |file: &std::path::Path| std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()));
    let config = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read(&tls.ca_file)?))
        .domain_name(tls.server_name.clone());
    Ok(match (&tls.certificate_file, &tls.key_file) {
        (Some(chain), Some(key)) => config.identity(Identity::from_pem(read(chain)?, read(key)?)),
        _ => config,
    })
}
