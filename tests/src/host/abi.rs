//! The numbers of the proxy-wasm ABI 0.2.1, as the C++ host has them (`proxy_wasm_enums.h`).

/// The status of a host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// No such key, header, property, queue or metric.
    NotFound = 1,
    /// An argument that is invalid now, such as a context that is gone.
    BadArgument = 2,
    /// A value could not be serialised.
    SerializationFailure = 3,
    /// A value could not be parsed.
    ParseFailure = 4,
    /// An expression could not be evaluated.
    BadExpression = 5,
    /// A pointer outside the memory.
    InvalidMemoryAccess = 6,
    /// The queue is empty.
    Empty = 7,
    /// Another writer has changed the value.
    CasMismatch = 8,
    /// A result of another kind was expected.
    ResultMismatch = 9,
    /// Another failure of the host.
    InternalFailure = 10,
    /// A connection broke.
    BrokenConnection = 11,
    /// The host does not have this call.
    Unimplemented = 12,
}

impl Status {
    /// Every status that is not [`Status::Ok`].
    pub const FAILURES: [Self; 12] = [
        Self::NotFound,
        Self::BadArgument,
        Self::SerializationFailure,
        Self::ParseFailure,
        Self::BadExpression,
        Self::InvalidMemoryAccess,
        Self::Empty,
        Self::CasMismatch,
        Self::ResultMismatch,
        Self::InternalFailure,
        Self::BrokenConnection,
        Self::Unimplemented,
    ];
}

/// The header maps that a module can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MapKind {
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseTrailers,
    GrpcInitialMetadata,
    GrpcTrailingMetadata,
    CallHeaders,
    CallTrailers,
}

impl MapKind {
    pub(crate) fn from_number(number: u32) -> Result<Self, Status> {
        Ok(match number {
            0 => Self::RequestHeaders,
            1 => Self::RequestTrailers,
            2 => Self::ResponseHeaders,
            3 => Self::ResponseTrailers,
            4 => Self::GrpcInitialMetadata,
            5 => Self::GrpcTrailingMetadata,
            6 => Self::CallHeaders,
            7 => Self::CallTrailers,
            _ => return Err(Status::BadArgument),
        })
    }
}

/// The buffers that a module can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BufferKind {
    RequestBody,
    ResponseBody,
    CallBody,
    VmConfiguration,
    PluginConfiguration,
    Other,
}

impl BufferKind {
    pub(crate) fn from_number(number: u32) -> Result<Self, Status> {
        Ok(match number {
            0 => Self::RequestBody,
            1 => Self::ResponseBody,
            4 => Self::CallBody,
            6 => Self::VmConfiguration,
            7 => Self::PluginConfiguration,
            2 | 3 | 5 | 8 => Self::Other,
            _ => return Err(Status::BadArgument),
        })
    }
}

/// The result of a callback on a body (`FilterDataStatus`). For headers and trailers every value but `Continue` stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Continue,
    StopAndBuffer,
    StopAndWatermark,
    StopNoBuffer,
}

impl Action {
    pub(crate) fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Continue,
            1 => Self::StopAndBuffer,
            2 => Self::StopAndWatermark,
            _ => Self::StopNoBuffer,
        }
    }
}

/// Builds an enum of names with the text of each.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant),*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name in the ABI.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}

named! {
    /// A function that the host offers and a module imports.
    HostCall {
        Log = "proxy_log",
        GetLogLevel = "proxy_get_log_level",
        GetStatus = "proxy_get_status",
        GetCurrentTime = "proxy_get_current_time_nanoseconds",
        SetTickPeriod = "proxy_set_tick_period_milliseconds",
        SetEffectiveContext = "proxy_set_effective_context",
        Done = "proxy_done",
        CallForeignFunction = "proxy_call_foreign_function",
        GetProperty = "proxy_get_property",
        SetProperty = "proxy_set_property",
        GetSharedData = "proxy_get_shared_data",
        SetSharedData = "proxy_set_shared_data",
        RegisterSharedQueue = "proxy_register_shared_queue",
        ResolveSharedQueue = "proxy_resolve_shared_queue",
        EnqueueSharedQueue = "proxy_enqueue_shared_queue",
        DequeueSharedQueue = "proxy_dequeue_shared_queue",
        GetHeaderMapValue = "proxy_get_header_map_value",
        AddHeaderMapValue = "proxy_add_header_map_value",
        ReplaceHeaderMapValue = "proxy_replace_header_map_value",
        RemoveHeaderMapValue = "proxy_remove_header_map_value",
        GetHeaderMapPairs = "proxy_get_header_map_pairs",
        SetHeaderMapPairs = "proxy_set_header_map_pairs",
        GetHeaderMapSize = "proxy_get_header_map_size",
        GetBufferBytes = "proxy_get_buffer_bytes",
        GetBufferStatus = "proxy_get_buffer_status",
        SetBufferBytes = "proxy_set_buffer_bytes",
        ContinueStream = "proxy_continue_stream",
        CloseStream = "proxy_close_stream",
        SendLocalResponse = "proxy_send_local_response",
        HttpCall = "proxy_http_call",
        GrpcCall = "proxy_grpc_call",
        GrpcStream = "proxy_grpc_stream",
        GrpcSend = "proxy_grpc_send",
        GrpcCancel = "proxy_grpc_cancel",
        GrpcClose = "proxy_grpc_close",
        DefineMetric = "proxy_define_metric",
        IncrementMetric = "proxy_increment_metric",
        RecordMetric = "proxy_record_metric",
        GetMetric = "proxy_get_metric",
        ClockTimeGet = "clock_time_get",
        ClockResGet = "clock_res_get",
        RandomGet = "random_get",
        FdWrite = "fd_write",
        EnvironSizesGet = "environ_sizes_get",
        EnvironGet = "environ_get",
        ProcExit = "proc_exit",
    }
}

impl HostCall {
    /// Returns whether it is one of WASI's (module `wasi_snapshot_preview1`) and not one of proxy-wasm's (`env`).
    #[must_use]
    pub fn is_wasi(self) -> bool {
        !self.name().starts_with("proxy_")
    }
}

named! {
    /// A function that a module exports and the host calls.
    Callback {
        Initialize = "_initialize",
        Start = "_start",
        OnContextCreate = "proxy_on_context_create",
        OnVmStart = "proxy_on_vm_start",
        OnConfigure = "proxy_on_configure",
        OnTick = "proxy_on_tick",
        OnQueueReady = "proxy_on_queue_ready",
        OnRequestHeaders = "proxy_on_request_headers",
        OnRequestBody = "proxy_on_request_body",
        OnRequestTrailers = "proxy_on_request_trailers",
        OnResponseHeaders = "proxy_on_response_headers",
        OnResponseBody = "proxy_on_response_body",
        OnResponseTrailers = "proxy_on_response_trailers",
        OnHttpCallResponse = "proxy_on_http_call_response",
        OnDone = "proxy_on_done",
        OnLog = "proxy_on_log",
        OnDelete = "proxy_on_delete",
    }
}
