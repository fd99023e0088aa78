//! The numbers of the proxy-wasm ABI 0.2.1 that this filter uses. A test compares them with the SDK's.

/// The level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum LogLevel {
    Debug = 1,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

/// Whether the host continues a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Action {
    Continue = 0,
    Pause = 1,
}

/// The status of a host call. Every other number is a failure too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Status {
    Ok = 0,
    NotFound = 1,
    Empty = 7,
    CasMismatch = 8,
}

/// A direction of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum StreamType {
    HttpRequest = 0,
}

/// A buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum BufferType {
    HttpResponseBody = 1,
    PluginConfiguration = 7,
}

/// A map of headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
#[allow(clippy::enum_variant_names, reason = "the ABI's names")]
pub(crate) enum MapType {
    HttpRequestHeaders = 0,
    HttpResponseHeaders = 2,
    HttpCallResponseHeaders = 6,
}

/// A kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum MetricType {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

#[cfg(test)]
mod tests {
    use proxy_wasm::types as sdk;

    use super::*;

    /// Compares each number with the SDK's number of the same name. The match names every variant, so that a new one without
    /// a comparison does not compile.
    macro_rules! same_numbers {
        ($name:ident { $($variant:ident),* }) => {
            for ours in [$($name::$variant),*] {
                let theirs = match ours { $($name::$variant => sdk::$name::$variant as u32),* };
                assert_eq!(ours as u32, theirs, "{ours:?}");
            }
        };
    }

    #[test]
    fn every_number_is_the_sdks() {
        same_numbers!(LogLevel { Debug, Warn, Error, Critical });
        same_numbers!(Action { Continue, Pause });
        same_numbers!(Status { Ok, NotFound, Empty, CasMismatch });
        same_numbers!(StreamType { HttpRequest });
        same_numbers!(BufferType { HttpResponseBody, PluginConfiguration });
        same_numbers!(MapType { HttpRequestHeaders, HttpResponseHeaders, HttpCallResponseHeaders });
        same_numbers!(MetricType { Counter, Gauge, Histogram });
    }
}
