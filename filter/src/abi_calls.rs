//! The host's functions that this module imports (proxy-wasm ABI 0.2.1, and one of WASI). [`crate::host`] wraps them in safe
//! calls.

pub(crate) use imports::*;

#[cfg(target_arch = "wasm32")]
mod imports {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(crate) fn proxy_log(level: i32, text: *const u8, size: usize) -> i32;
        pub(crate) fn proxy_set_tick_period_milliseconds(period: u32) -> i32;
        pub(crate) fn proxy_get_buffer_bytes(
            kind: i32,
            start: usize,
            size: usize,
            data: *mut *mut u8,
            length: *mut usize,
        ) -> i32;
        pub(crate) fn proxy_set_buffer_bytes(
            kind: i32,
            start: usize,
            size: usize,
            data: *const u8,
            length: usize,
        ) -> i32;
        pub(crate) fn proxy_get_header_map_value(
            map: i32,
            key: *const u8,
            key_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> i32;
        pub(crate) fn proxy_replace_header_map_value(
            map: i32,
            key: *const u8,
            key_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> i32;
        pub(crate) fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
        ) -> i32;
        pub(crate) fn proxy_set_property(
            path: *const u8,
            path_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> i32;
        pub(crate) fn proxy_get_shared_data(
            key: *const u8,
            key_size: usize,
            data: *mut *mut u8,
            size: *mut usize,
            cas: *mut u32,
        ) -> i32;
        pub(crate) fn proxy_set_shared_data(
            key: *const u8,
            key_size: usize,
            value: *const u8,
            value_size: usize,
            cas: u32,
        ) -> i32;
        pub(crate) fn proxy_register_shared_queue(name: *const u8, size: usize, queue: *mut u32) -> i32;
        pub(crate) fn proxy_resolve_shared_queue(
            vm_id: *const u8,
            vm_id_size: usize,
            name: *const u8,
            size: usize,
            queue: *mut u32,
        ) -> i32;
        pub(crate) fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) -> i32;
        pub(crate) fn proxy_enqueue_shared_queue(queue: u32, data: *const u8, size: usize) -> i32;
        pub(crate) fn proxy_continue_stream(stream: i32) -> i32;
        pub(crate) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> i32;
        pub(crate) fn proxy_http_call(
            cluster: *const u8,
            cluster_size: usize,
            headers: *const u8,
            headers_size: usize,
            body: *const u8,
            body_size: usize,
            trailers: *const u8,
            trailers_size: usize,
            timeout_ms: u32,
            call: *mut u32,
        ) -> i32;
        pub(crate) fn proxy_set_effective_context(context: u32) -> i32;
        pub(crate) fn proxy_define_metric(kind: i32, name: *const u8, size: usize, id: *mut u32) -> i32;
        pub(crate) fn proxy_record_metric(id: u32, value: u64) -> i32;
        pub(crate) fn proxy_increment_metric(id: u32, offset: i64) -> i32;
    }
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(crate) fn clock_time_get(clock: i32, precision: u64, time_ns: *mut u64) -> i32;
    }
}

/// The host of a native build, which is only checked and tested: every call fails.
#[cfg(not(target_arch = "wasm32"))]
mod imports {
    macro_rules! unimplemented_calls {
        ($($name:ident($($kind:ty),*);)*) => {
            $(#[allow(clippy::too_many_arguments, reason = "the host's")]
            pub(crate) unsafe fn $name($(_: $kind),*) -> i32 { 12 })*
        };
    }
    unimplemented_calls! {
        proxy_log(i32, *const u8, usize);
        proxy_set_tick_period_milliseconds(u32);
        proxy_get_buffer_bytes(i32, usize, usize, *mut *mut u8, *mut usize);
        proxy_set_buffer_bytes(i32, usize, usize, *const u8, usize);
        proxy_get_header_map_value(i32, *const u8, usize, *mut *mut u8, *mut usize);
        proxy_replace_header_map_value(i32, *const u8, usize, *const u8, usize);
        proxy_get_property(*const u8, usize, *mut *mut u8, *mut usize);
        proxy_set_property(*const u8, usize, *const u8, usize);
        proxy_get_shared_data(*const u8, usize, *mut *mut u8, *mut usize, *mut u32);
        proxy_set_shared_data(*const u8, usize, *const u8, usize, u32);
        proxy_register_shared_queue(*const u8, usize, *mut u32);
        proxy_resolve_shared_queue(*const u8, usize, *const u8, usize, *mut u32);
        proxy_dequeue_shared_queue(u32, *mut *mut u8, *mut usize);
        proxy_enqueue_shared_queue(u32, *const u8, usize);
        proxy_continue_stream(i32);
        proxy_send_local_response(u32, *const u8, usize, *const u8, usize, *const u8, usize, i32);
        proxy_http_call(
            *const u8, usize, *const u8, usize, *const u8, usize, *const u8, usize, u32, *mut u32
        );
        proxy_set_effective_context(u32);
        proxy_define_metric(i32, *const u8, usize, *mut u32);
        proxy_record_metric(u32, u64);
        proxy_increment_metric(u32, i64);
        clock_time_get(i32, u64, *mut u64);
    }
}
