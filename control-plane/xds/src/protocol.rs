//! The two protocol variants on the wire. They differ in their messages alone; the content is the same ([`Incoming`],
//! [`Outgoing`]).

use std::collections::BTreeSet;

use envoy_types::pb::{
    envoy::{
        config::core::v3::{ControlPlane, Node as NodeMessage},
        service::discovery::v3::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
        },
    },
    google::rpc,
};
use prost::Message;
use tonic::Status;

use crate::{
    ProtocolVariant,
    encoded::Frame,
    limits::{KEPT_MAX, NAME_BYTES_MAX, NAMES_MAX, NODE_TEXT_BYTES_MAX},
    message::{Ask, Incoming, Outgoing, Request},
};

/// The messages of one variant.
pub(crate) trait Protocol: Send + 'static {
    const VARIANT: ProtocolVariant;
    /// The method of the aggregated discovery service.
    const PATH: &str;
    type Request: Message + Default + 'static;

    /// Takes the node out of a request.
    fn node(request: &mut Self::Request) -> Option<NodeMessage>;

    /// Reads a request, within its bounds.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` beyond them.
    fn read(request: Self::Request) -> Result<Incoming, Status>;

    /// Writes a response.
    fn write(outgoing: &Outgoing) -> Frame;
}

/// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#four-variants>
pub(crate) struct StateOfTheWorld;

impl Protocol for StateOfTheWorld {
    const VARIANT: ProtocolVariant = ProtocolVariant::StateOfTheWorld;
    const PATH: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
    type Request = DiscoveryRequest;

    fn node(request: &mut DiscoveryRequest) -> Option<NodeMessage> {
        request.node.take()
    }

    fn read(request: DiscoveryRequest) -> Result<Incoming, Status> {
        check_texts([&request.version_info, &request.response_nonce])?;
        let names = names(request.resource_names)?;
        let ask = Ask::All { names, version: request.version_info };
        let request = Request { ask, nonce: request.response_nonce, error: request.error_detail.map(reason) }
            .of_type(request.type_url);
        Ok(request)
    }

    fn write(outgoing: &Outgoing) -> Frame {
        let mut response = Frame::new(&DiscoveryResponse {
            version_info: outgoing.whole.version().as_str().to_owned(),
            type_url: outgoing.ty.type_url().to_owned(),
            nonce: outgoing.nonce.clone(),
            control_plane: Some(control_plane()),
            ..DiscoveryResponse::default()
        });
        outgoing.write_resources(Self::VARIANT, &mut response);
        response
    }
}

/// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds>
pub(crate) struct Incremental;

impl Protocol for Incremental {
    const VARIANT: ProtocolVariant = ProtocolVariant::Incremental;
    const PATH: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
    type Request = DeltaDiscoveryRequest;

    fn node(request: &mut DeltaDiscoveryRequest) -> Option<NodeMessage> {
        request.node.take()
    }

    fn read(request: DeltaDiscoveryRequest) -> Result<Incoming, Status> {
        check_texts([&request.response_nonce])?;
        let kept = &request.initial_resource_versions;
        if kept.len() > KEPT_MAX
            || kept
                .iter()
                .any(|(name, version)| name.len() > NAME_BYTES_MAX || version.len() > NODE_TEXT_BYTES_MAX)
        {
            return Err(Status::resource_exhausted(format!(
                "initial_resource_versions can list {KEPT_MAX} names of {NAME_BYTES_MAX} bytes with versions of \
                 {NODE_TEXT_BYTES_MAX} bytes"
            )));
        }
        let ask = Ask::Changes {
            subscribe: names(request.resource_names_subscribe)?,
            unsubscribe: names(request.resource_names_unsubscribe)?,
            kept: request.initial_resource_versions.into_iter().collect(),
        };
        let request = Request { ask, nonce: request.response_nonce, error: request.error_detail.map(reason) }
            .of_type(request.type_url);
        Ok(request)
    }

    fn write(outgoing: &Outgoing) -> Frame {
        let mut response = Frame::new(&DeltaDiscoveryResponse {
            system_version_info: outgoing.whole.version().as_str().to_owned(),
            type_url: outgoing.ty.type_url().to_owned(),
            removed_resources: outgoing.removed.iter().map(|name| (**name).to_owned()).collect(),
            nonce: outgoing.nonce.clone(),
            control_plane: Some(control_plane()),
            ..DeltaDiscoveryResponse::default()
        });
        outgoing.write_resources(Self::VARIANT, &mut response);
        response
    }
}

impl Request {
    fn of_type(self, type_url: String) -> Incoming {
        Incoming { type_url, request: self }
    }
}

fn control_plane() -> ControlPlane {
    ControlPlane { identifier: "slotway".to_owned() }
}

fn reason(status: rpc::Status) -> String {
    if status.message.is_empty() { format!("code {}", status.code) } else { status.message }
}

fn check_texts<const N: usize>(texts: [&String; N]) -> Result<(), Status> {
    if texts.into_iter().all(|text| text.len() <= NODE_TEXT_BYTES_MAX) {
        return Ok(());
    }
    let reason = format!("a version and a nonce can have {NODE_TEXT_BYTES_MAX} bytes");
    Err(Status::resource_exhausted(reason))
}

fn names(names: Vec<String>) -> Result<BTreeSet<String>, Status> {
    if names.len() <= NAMES_MAX && names.iter().all(|name| name.len() <= NAME_BYTES_MAX) {
        return Ok(names.into_iter().collect());
    }
    Err(Status::resource_exhausted(format!(
        "a subscription can list {NAMES_MAX} names of {NAME_BYTES_MAX} bytes"
    )))
}
