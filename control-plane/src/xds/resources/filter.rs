//! ECDS: the filter and its configuration.

use envoy_types::{
    pb::{
        envoy::{
            config::core::v3::{
                AsyncDataSource, DataSource, TypedExtensionConfig, async_data_source, data_source,
            },
            extensions::{
                filters::http::wasm::v3::Wasm,
                wasm::v3::{FailurePolicy, PluginConfig, VmConfig, plugin_config::Vm},
            },
        },
        google::protobuf::StringValue,
    },
    util::pack_any,
};
use slotway_config::{ConfigError, FilterConfig};

use super::{RESOURCE_NAME, XDS_CLUSTER};
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
    let code = desired.listener.filter_wasm.to_string_lossy().into_owned();
    let plugin = PluginConfig {
        name: RESOURCE_NAME.to_owned(),
        root_id: RESOURCE_NAME.to_owned(),
        configuration: Some(pack_any(StringValue { value: config.to_json()? })),
        failure_policy: FailurePolicy::FailReload.into(),
        // Nothing that changes may stand here: a changed VM configuration starts new VMs, without the slots of the old.
        vm: Some(Vm::VmConfig(VmConfig {
            vm_id: RESOURCE_NAME.to_owned(),
            runtime: "envoy.wasm.runtime.v8".to_owned(),
            code: Some(AsyncDataSource {
                specifier: Some(async_data_source::Specifier::Local(DataSource {
                    specifier: Some(data_source::Specifier::Filename(code)),
                    ..DataSource::default()
                })),
            }),
            ..VmConfig::default()
        })),
        ..PluginConfig::default()
    };
    let extension = TypedExtensionConfig {
        name: RESOURCE_NAME.to_owned(),
        typed_config: Some(pack_any(Wasm { config: Some(plugin) })),
    };
    Ok(Resource::new(RESOURCE_NAME.to_owned(), pack_any(extension)))
}
