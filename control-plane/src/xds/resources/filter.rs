//! ECDS: the filter and its configuration.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use envoy_types::{
    pb::{
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
    },
    util::pack_any,
};
use sha2::{Digest, Sha256};
use slotway_config::{ConfigError, FilterConfig};

use super::{RESOURCE_NAME, XDS_CLUSTER, protobuf::duration};
use crate::{
    model::Desired,
    xds::resource_set::{Deferred, Resource},
};

/// The filter with the configuration of a group. Only the node's name is missing, by which its reports are known.
#[derive(Debug)]
pub(crate) struct Filter {
    /// The configuration of a coordinator without a name.
    json: String,
    digest: [u8; 32],
    code: PathBuf,
}

/// How a configuration names no coordinator. Within a JSON string its quotes would be escaped, so it stands there once.
const NAMELESS: &str = "\"coordinator\":\"\"";

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
        Ok(Self { json, digest, code: desired.listener.filter_wasm.clone() })
    }

    /// The filter of one node. With thousands of workers it is long, so it is put together when it is sent, and kept for nobody.
    pub(crate) fn of(self: &Arc<Self>, node_id: &str) -> Resource {
        let own = OfNode { filter: self.clone(), node_id: node_id.to_owned() };
        let parts = [&self.digest[..], self.code.as_os_str().as_encoded_bytes(), node_id.as_bytes()];
        Resource::deferred(RESOURCE_NAME.to_owned(), &parts, Arc::new(own))
    }
}

impl Deferred for OfNode {
    fn make(&self) -> Any {
        let named = format!("\"coordinator\":{}", serde_json::Value::from(self.node_id.as_str()));
        let value = self.filter.json.replacen(NAMELESS, &named, 1);
        // Nothing that changes may stand in the VM's configuration: another one starts new VMs, without the slots of the old.
        let plugin = plugin(&self.filter.code, pack_any(StringValue { value }), None);
        pack_any(TypedExtensionConfig {
            name: RESOURCE_NAME.to_owned(),
            typed_config: Some(pack_any(Wasm { config: Some(plugin) })),
        })
    }
}

/// How soon after its start a VM that has died is replaced, with the next request. Until then Envoy answers this thread's
/// requests with 503.
const RELOAD_BACKOFF: Duration = Duration::from_millis(100);

/// The module in Envoy: one VM on each thread for each configuration of the VM, all with the same shared data.
pub(super) fn plugin(code: &Path, configuration: Any, of_vm: Option<Any>) -> PluginConfig {
    let code = code.to_string_lossy().into_owned();
    PluginConfig {
        name: RESOURCE_NAME.to_owned(),
        root_id: RESOURCE_NAME.to_owned(),
        configuration: Some(configuration),
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
