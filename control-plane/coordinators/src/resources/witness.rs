//! The witness: the filter's module as an access logger, for streams of dead lanes. When a request ends, Envoy does not
//! call a dead lane, but it writes the access log.

use envoy_types::{
    pb::{
        envoy::{
            config::{
                accesslog::v3::{
                    AccessLog, AccessLogFilter, AndFilter, ComparisonFilter, DurationFilter, ExtensionFilter,
                    OrFilter, ResponseFlagFilter, StatusCodeFilter, access_log,
                    access_log_filter::FilterSpecifier, comparison_filter::Op, extension_filter,
                },
                core::v3::RuntimeUInt32,
            },
            extensions::access_loggers::{filters::cel::v3::ExpressionFilter, wasm::v3::WasmAccessLog},
        },
        google::protobuf::StringValue,
    },
    util::pack_any,
};
use slotway_config::limits::WITNESS_ASKED_FROM_MS;
use slotway_pools::ListenerSettings;

use super::filter;

/// The configuration of the plugin and of its VM. It selects the witness role in the module, and gives the witness
/// separate VMs.
const WITNESS: &str = "witness";

/// Returns the access logger.
pub(super) fn access_log(settings: &ListenerSettings) -> AccessLog {
    let configuration = Some(pack_any(StringValue { value: WITNESS.to_owned() }));
    let mut plugin = filter::plugin(&settings.filter_wasm, configuration.clone(), configuration);
    plugin.name = format!("{}-{WITNESS}", plugin.name);
    plugin.root_id = plugin.name.clone();
    AccessLog {
        name: "envoy.access_loggers.wasm".to_owned(),
        filter: Some(streams_without_a_lane()),
        config_type: Some(access_log::ConfigType::TypedConfig(pack_any(WasmAccessLog {
            config: Some(plugin),
        }))),
    }
}

/// Returns the condition of the log: the stream still carries a slot's mark at its end, which a live lane removes. The first half
/// saves short successful requests the evaluation of the second (and the filter the removal).
fn streams_without_a_lane() -> AccessLogFilter {
    let conspicuous = FilterSpecifier::OrFilter(OrFilter {
        filters: vec![
            filter_of(FilterSpecifier::StatusCodeFilter(StatusCodeFilter {
                comparison: at_least(500, "status"),
            })),
            filter_of(FilterSpecifier::ResponseFlagFilter(ResponseFlagFilter::default())),
            filter_of(FilterSpecifier::DurationFilter(DurationFilter {
                comparison: at_least(WITNESS_ASKED_FROM_MS as u32, "duration_ms"),
            })),
        ],
    });
    // A value of the filter state is bytes to CEL; a missing one is an error, which counts as false.
    let marked = ExpressionFilter {
        expression: "filter_state['wasm.slotway.slot'] != b''".to_owned(),
        ..ExpressionFilter::default()
    };
    let marked = FilterSpecifier::ExtensionFilter(ExtensionFilter {
        name: "envoy.access_loggers.extension_filters.cel".to_owned(),
        config_type: Some(extension_filter::ConfigType::TypedConfig(pack_any(marked))),
    });
    filter_of(FilterSpecifier::AndFilter(AndFilter {
        filters: vec![filter_of(conspicuous), filter_of(marked)],
    }))
}

fn filter_of(specifier: FilterSpecifier) -> AccessLogFilter {
    AccessLogFilter { filter_specifier: Some(specifier) }
}

/// Returns the comparison with a number. Envoy requires a runtime key beside it.
fn at_least(value: u32, key: &str) -> Option<ComparisonFilter> {
    let value = RuntimeUInt32 { default_value: value, runtime_key: format!("slotway.witness.{key}") };
    Some(ComparisonFilter { op: Op::Ge.into(), value: Some(value) })
}
