//! The access log: one JSON object per line.

use std::path::Path;

use envoy_types::pb::{
    envoy::{
        config::{
            accesslog::v3::{AccessLog, access_log},
            core::v3::{SubstitutionFormatString, substitution_format_string::Format},
        },
        extensions::access_loggers::file::v3::{FileAccessLog, file_access_log::AccessLogFormat},
    },
    google::protobuf::{Any, Struct, Value, value::Kind},
};
use prost::{Message, Name};

/// Each field and Envoy's command for it. The last three come from the filter.
const FIELDS: [(&str, &str); 12] = [
    ("start_time", "%START_TIME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("status", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("duration_ms", "%DURATION%"),
    ("pool", "%ROUTE_NAME%"),
    ("worker", "%FILTER_STATE(wasm.slotway.worker:PLAIN)%"),
    ("wait_ms", "%FILTER_STATE(wasm.slotway.wait_ms:PLAIN)%"),
    ("outcome", "%FILTER_STATE(wasm.slotway.outcome:PLAIN)%"),
];

/// Returns a log to this file, on Envoy's machine.
pub(super) fn to_file(path: &Path) -> AccessLog {
    let log = FileAccessLog { path: path.to_string_lossy().into_owned(), access_log_format: None };
    let mut bytes = log.encode_to_vec();
    // One field after the other: a protobuf map has no order of its own, and equal logs must be equal bytes.
    // https://protobuf.dev/programming-guides/encoding/#last-one-wins
    for (name, command) in FIELDS {
        let value = Value { kind: Some(Kind::StringValue(command.to_owned())) };
        let fields = Struct { fields: [(name.to_owned(), value)].into() };
        let format = SubstitutionFormatString {
            format: Some(Format::JsonFormat(fields)),
            ..SubstitutionFormatString::default()
        };
        let part = FileAccessLog {
            path: String::new(),
            access_log_format: Some(AccessLogFormat::LogFormat(format)),
        };
        bytes.extend(part.encode_to_vec());
    }
    AccessLog {
        name: "envoy.access_loggers.file".to_owned(),
        config_type: Some(access_log::ConfigType::TypedConfig(Any {
            type_url: FileAccessLog::type_url(),
            value: bytes,
        })),
        ..AccessLog::default()
    }
}
