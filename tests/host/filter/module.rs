//! The functions that the module exports to Envoy and imports from it.

use slotway_tests::artifact;
use wasmtime::{Engine, ExternType, Module};

/// Every function that Envoy may call. Envoy calls each exported callback for each request or each part of it, and does not call
/// an absent one. An export too many costs every request, and without one the filter misses events.
const EXPORTS: [&str; 12] = [
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_http_call_response",
    "proxy_on_log",
    "proxy_on_memory_allocate",
    "proxy_on_queue_ready",
    "proxy_on_request_headers",
    "proxy_on_response_body",
    "proxy_on_response_headers",
    "proxy_on_response_trailers",
    "proxy_on_tick",
];

const IMPORTS: [&str; 22] = [
    "env.proxy_continue_stream",
    "env.proxy_define_metric",
    "env.proxy_dequeue_shared_queue",
    "env.proxy_enqueue_shared_queue",
    "env.proxy_get_buffer_bytes",
    "env.proxy_get_header_map_value",
    "env.proxy_get_property",
    "env.proxy_get_shared_data",
    "env.proxy_http_call",
    "env.proxy_increment_metric",
    "env.proxy_log",
    "env.proxy_record_metric",
    "env.proxy_register_shared_queue",
    "env.proxy_replace_header_map_value",
    "env.proxy_resolve_shared_queue",
    "env.proxy_send_local_response",
    "env.proxy_set_buffer_bytes",
    "env.proxy_set_effective_context",
    "env.proxy_set_property",
    "env.proxy_set_shared_data",
    "env.proxy_set_tick_period_milliseconds",
    "wasi_snapshot_preview1.clock_time_get",
];

#[test]
fn the_module_exports_and_imports_what_it_uses_and_nothing_else() {
    let module = Module::new(&Engine::default(), artifact::module().unwrap()).unwrap();
    let mut exports: Vec<_> = module
        .exports()
        .filter(|export| matches!(export.ty(), ExternType::Func(_)))
        .map(|export| export.name().to_owned())
        .collect();
    let mut imports: Vec<_> =
        module.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect();
    exports.sort();
    imports.sort();
    assert_eq!(exports, EXPORTS);
    assert_eq!(imports, IMPORTS);
}

#[test]
fn the_module_that_runs_in_envoy_has_no_crash_points() {
    let module = artifact::module().unwrap();
    let names = |text: &str| module.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(names("x-slotway-wait-timeout-ms"), "names of headers can be found in a module");
    assert!(!names("x-slotway-chaos"));
}
