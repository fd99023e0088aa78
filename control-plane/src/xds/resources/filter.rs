//! ECDS: the filter and its configuration.

use std::{path::Path, time::Duration};

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
use slotway_config::{ConfigError, FilterConfig};

use super::{RESOURCE_NAME, XDS_CLUSTER, protobuf::duration};
use crate::{model::Desired, xds::resource_set::Resource};

/// The filter with the configuration of one node.
pub(crate) fn resource(desired: &Desired, node_id: &str) -> Result<Resource, ConfigError> {
    let config = FilterConfig {
        generation: desired.generation,
        coordinator: node_id.to_owned(),
        report_cluster: Some(XDS_CLUSTER.to_owned()),
        debug_headers: desired.listener.debug_headers,
        access_log_fields: desired.listener.access_log.is_some(),
        lane_lease: desired.listener.lane_lease,
        pools: desired.pools.clone(),
    };
    let configuration = pack_any(StringValue { value: config.to_json()? });
    // Nothing that changes may stand in the VM's configuration: another one starts new VMs, without the slots of the old.
    let plugin = plugin(&desired.listener.filter_wasm, configuration, None);
    let extension = TypedExtensionConfig {
        name: RESOURCE_NAME.to_owned(),
        typed_config: Some(pack_any(Wasm { config: Some(plugin) })),
    };
    Ok(Resource::new(RESOURCE_NAME.to_owned(), pack_any(extension)))
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
