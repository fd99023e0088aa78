//! ECDS: the filter and its configuration.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::body::Bytes;
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

use super::{RESOURCE_NAME, XDS_CLUSTER, protobuf::duration};
use crate::{
    model::Desired,
    xds::{
        encoded::Encoded,
        resource_set::{Deferred, Resource},
    },
};

/// The filter with the configuration of a group. Only the node's name is missing, by which its reports are known.
#[derive(Debug)]
pub(crate) struct Filter {
    /// The configuration before and behind the coordinator's name. What is behind it is long, and all share it.
    before: String,
    behind: Bytes,
    digest: [u8; 32],
    code: PathBuf,
}

/// How a configuration names no coordinator. Within a JSON string its quotes would be escaped, so it stands there once.
const NAMELESS: &str = "\"coordinator\":\"\"";
/// How much of that comes before the name.
const UNTIL_NAME: usize = NAMELESS.len() - 2;

/// The filter of one node.
#[derive(Debug)]
struct OfNode {
    filter: Arc<Filter>,
    node_id: String,
}

impl Filter {
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

    /// The filter of one node. With thousands of workers it is long, so it is put together when it is sent, and kept for nobody.
    pub(crate) fn of(self: &Arc<Self>, node_id: &str) -> Resource {
        let own = OfNode { filter: self.clone(), node_id: node_id.to_owned() };
        let parts = [&self.digest[..], self.code.as_os_str().as_encoded_bytes(), node_id.as_bytes()];
        Resource::deferred(RESOURCE_NAME.to_owned(), &parts, Arc::new(own))
    }
}

impl Deferred for OfNode {
    fn make(&self) -> Encoded {
        let own = format!("{}{}", self.filter.before, serde_json::Value::from(self.node_id.as_str()));
        let text = Encoded::text(own, self.filter.behind.clone()).within(&StringValue::default(), 1);
        // Nothing that changes may stand in the VM's configuration: another one starts new VMs, without the slots of the old.
        let plugin = packed::<StringValue>(text).within(&plugin(&self.filter.code, None, None), 4);
        let wasm = packed::<Wasm>(plugin.within(&Wasm::default(), 1));
        let extension = TypedExtensionConfig { name: RESOURCE_NAME.to_owned(), typed_config: None };
        packed::<TypedExtensionConfig>(wasm.within(&extension, 2))
    }
}

/// A message as the bytes of an `Any`.
fn packed<M: Name>(message: Encoded) -> Encoded {
    message.within(&Any { type_url: M::type_url(), value: Vec::new() }, 2)
}

/// How soon after its start a VM that has died is replaced, with the next request. Until then Envoy answers this thread's
/// requests with 503.
const RELOAD_BACKOFF: Duration = Duration::from_millis(100);

/// The module in Envoy: one VM on each thread for each configuration of the VM, all with the same shared data.
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
