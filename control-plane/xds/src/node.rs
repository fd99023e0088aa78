use envoy_types::pb::envoy::config::core::v3::{Node as NodeMessage, node::UserAgentVersionType};
use tonic::Status;

use crate::limits::NODE_TEXT_BYTES_MAX;

/// The node at the other end of a stream, as it states itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its `node.id`.
    pub id: String,
    /// Its `node.cluster`.
    pub group: String,
    /// The version that it states, for example `1.40.0`.
    pub version: String,
}

impl Node {
    /// Reads the node of a stream's first request.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` without an id or beyond the bounds.
    pub(crate) fn read(message: Option<NodeMessage>) -> Result<Self, Status> {
        let message = message.unwrap_or_default();
        let version = match &message.user_agent_version_type {
            Some(UserAgentVersionType::UserAgentVersion(version)) => version.clone(),
            Some(UserAgentVersionType::UserAgentBuildVersion(build)) => build
                .version
                .map(|v| format!("{}.{}.{}", v.major_number, v.minor_number, v.patch))
                .unwrap_or_default(),
            None => String::new(),
        };
        for (field, text) in
            [("id", &message.id), ("cluster", &message.cluster), ("user_agent_version", &version)]
        {
            let right = text.len() <= NODE_TEXT_BYTES_MAX && !text.chars().any(char::is_control);
            if !right {
                return Err(Status::invalid_argument(format!(
                    "node.{field} must be at most {NODE_TEXT_BYTES_MAX} bytes without control characters"
                )));
            }
        }
        if message.id.is_empty() {
            return Err(Status::invalid_argument(
                "node.id is empty: give each Envoy its own --service-node, or node.id in its bootstrap",
            ));
        }
        Ok(Self { id: message.id, group: message.cluster, version })
    }
}
