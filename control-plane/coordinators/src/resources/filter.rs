//! ECDS: the filter and its configuration.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use envoy_types::pb::{
    envoy::{
        config::core::v3::{
            AsyncDataSource, BackoffStrategy, DataSource, TypedExtensionConfig, async_data_source,
            data_source,
        },
        extensions::{
            filters::http::wasm::v3::Wasm,
            wasm::v3::{FailurePolicy, PluginConfig, ReloadConfig, VmConfig, plugin_config::Vm},
        },
    },
    google::protobuf::{Any, StringValue},
};
use prost::Name;
use sha2::{Digest, Sha256};
use slotway_config::{ConfigError, FilterConfig};
use slotway_pools::Desired;

use slotway_xds::{Deferred, Encoded, XdsResource};

use super::protobuf::duration;
use crate::types::{RESOURCE_NAME, XDS_CLUSTER};

/// The filter with the configuration of a group, without the node's id, which the filter states in its reports.
#[derive(Debug)]
pub(crate) struct Filter {
    /// The configuration before and behind the node's id. The part behind it is long and shared by all nodes.
    before: String,
    behind: Bytes,
    digest: [u8; 32],
    code: PathBuf,
}

/// The text of a configuration without a node's id. It occurs once: within a JSON string its quotes would be escaped.
const NAMELESS: &str = "\"coordinator\":\"\"";
/// Length of the part of [`NAMELESS`] before the id.
const UNTIL_NAME: usize = NAMELESS.len() - 2;

/// The filter of one node.
#[derive(Debug)]
struct NodeFilter {
    filter: Arc<Filter>,
    node_id: String,
}

impl Filter {
    /// Returns the filter with the configuration of these pools.
    ///
    /// # Errors
    /// The configuration cannot be written.
    pub(crate) fn new(desired: &Desired) -> Result<Self, ConfigError> {
        let config = FilterConfig {
            generation: desired.generation,
            coordinator: String::new(),
            report_cluster: Some(XDS_CLUSTER.to_owned()),
            debug_headers: desired.listener.debug_headers,
            access_log_fields: desired.listener.access_log.is_some(),
            lane_lease: desired.listener.lane_lease,
            pools: desired.pools.clone(),
        };
        let json = config.to_json()?;
        let digest = Sha256::digest(&json).into();
        let (before, behind) = match json.find(NAMELESS) {
            Some(at) => (json[..at + UNTIL_NAME].to_owned(), json[at + NAMELESS.len()..].to_owned()),
            None => (String::new(), json),
        };
        Ok(Self { before, behind: behind.into(), digest, code: desired.listener.filter_wasm.clone() })
    }

    /// Returns the filter of one node. With thousands of workers it is long, so it is assembled when it is sent, and
    /// not cached.
    pub(crate) fn of(self: &Arc<Self>, node_id: &str) -> XdsResource {
        let own = NodeFilter { filter: self.clone(), node_id: node_id.to_owned() };
        let parts = [&self.digest[..], self.code.as_os_str().as_encoded_bytes(), node_id.as_bytes()];
        XdsResource::deferred(RESOURCE_NAME.to_owned(), &parts, Arc::new(own))
    }
}

impl Deferred for NodeFilter {
    fn make(&self) -> Encoded {
        let own = format!("{}{}", self.filter.before, serde_json::Value::from(self.node_id.as_str()));
        let text = Encoded::text(own, self.filter.behind.clone()).within(&StringValue::default(), 1);
        // The VM's configuration must never change: another one would start new VMs without the slots of the old ones.
        let plugin = packed::<StringValue>(text).within(&plugin(&self.filter.code, None, None), 4);
        let wasm = packed::<Wasm>(plugin.within(&Wasm::default(), 1));
        let extension = TypedExtensionConfig { name: RESOURCE_NAME.to_owned(), typed_config: None };
        packed::<TypedExtensionConfig>(wasm.within(&extension, 2))
    }
}

/// Returns a message as the bytes of an `Any`.
fn packed<M: Name>(message: Encoded) -> Encoded {
    message.within(&Any { type_url: M::type_url(), value: Vec::new() }, 2)
}

/// Shortest time between the start of a VM and its replacement after a crash, with the next request. Until then Envoy answers the
/// thread's requests with 503.
const RELOAD_BACKOFF: Duration = Duration::from_millis(100);

/// Returns the module in Envoy: one VM on each thread for each configuration of the VM, all with the same shared data.
pub(super) fn plugin(code: &Path, configuration: Option<Any>, of_vm: Option<Any>) -> PluginConfig {
    let code = code.to_string_lossy().into_owned();
    PluginConfig {
        name: RESOURCE_NAME.to_owned(),
        root_id: RESOURCE_NAME.to_owned(),
        configuration,
        failure_policy: FailurePolicy::FailReload.into(),
        reload_config: Some(ReloadConfig {
            backoff: Some(BackoffStrategy { base_interval: duration(RELOAD_BACKOFF), max_interval: None }),
        }),
        vm: Some(Vm::VmConfig(VmConfig {
            vm_id: RESOURCE_NAME.to_owned(),
            runtime: "envoy.wasm.runtime.v8".to_owned(),
            configuration: of_vm,
            code: Some(AsyncDataSource {
                specifier: Some(async_data_source::Specifier::Local(DataSource {
                    specifier: Some(data_source::Specifier::Filename(code)),
                    ..DataSource::default()
                })),
            }),
            ..VmConfig::default()
        })),
        ..PluginConfig::default()
    }
}
