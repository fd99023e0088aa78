//! Constructors of small messages that several resources have.

use std::time::Duration;

use envoy_types::pb::{
    envoy::{
        config::{
            common::mutation_rules::v3::{
                HeaderMutation,
                header_mutation::{Action, RemoveOnMatch},
            },
            core::v3::{
                Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress, TcpKeepalive,
                address, config_source::ConfigSourceSpecifier, socket_address::PortSpecifier,
            },
        },
        extensions::filters::network::http_connection_manager::v3::{HttpFilter, http_filter::ConfigType},
        r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern},
    },
    google::protobuf::{Any, BoolValue, Duration as DurationMessage, UInt32Value},
};

pub(super) fn yes() -> Option<BoolValue> {
    Some(BoolValue { value: true })
}

pub(super) fn no() -> Option<BoolValue> {
    Some(BoolValue { value: false })
}

pub(super) fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

pub(super) fn duration(value: Duration) -> Option<DurationMessage> {
    Some(DurationMessage {
        seconds: i64::try_from(value.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(value.subsec_nanos()).unwrap_or_default(),
    })
}

/// Returns an address with a port, or a name with a port.
pub(super) fn address(host: &str, port: u16) -> Option<Address> {
    Some(Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: host.to_owned(),
            port_specifier: Some(PortSpecifier::PortValue(port.into())),
            ..SocketAddress::default()
        })),
    })
}

/// Returns the source "over the existing ADS stream". Envoy waits for the first answer without a time limit: a listener that opens
/// without its routes or its filter would answer clients with errors.
pub(super) fn over_ads() -> Option<ConfigSource> {
    Some(ConfigSource {
        initial_fetch_timeout: duration(Duration::ZERO),
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    })
}

/// Returns TCP keepalive that detects a dead peer after two minutes.
pub(super) fn keepalive() -> Option<TcpKeepalive> {
    Some(TcpKeepalive {
        keepalive_probes: number(4),
        keepalive_time: number(60),
        keepalive_interval: number(15),
    })
}

/// Returns the mutation that removes every header that begins with `prefix`.
pub(super) fn remove_prefix(prefix: &str) -> HeaderMutation {
    let key_matcher = StringMatcher {
        match_pattern: Some(MatchPattern::Prefix(prefix.to_owned())),
        ..StringMatcher::default()
    };
    HeaderMutation { action: Some(Action::RemoveOnMatch(RemoveOnMatch { key_matcher: Some(key_matcher) })) }
}

pub(super) fn http_filter(name: &str, config: Any) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
        ..HttpFilter::default()
    }
}
