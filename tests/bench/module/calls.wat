;; The callbacks and the host calls of a request that finds a free slot in Slotway, in their order, and nothing else: every value is a constant, nothing is
;; counted, nobody's slot is safe. What it costs is left if our own
;; code cost nothing. The state's 600 bytes are a guess; its length hardly matters (1,200 bytes cost what 300 do).
(module
  (import "env" "proxy_get_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared_data (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))

  (memory (export "memory") 4)
  (data (i32.const 64) "x-slotway-worker")
  (data (i32.const 96) "http://127.0.0.1:9001")
  (data (i32.const 128) "slotway.slot")
  (data (i32.const 160) "slotway/1/test/root")
  (data (i32.const 192) "x-slotway-wait-timeout-ms")
  (data (i32.const 224) ":status")
  (data (i32.const 256) "x-envoy-upstream-rq-timeout-ms")
  (data (i32.const 288) "600000")

  (func (export "proxy_abi_version_0_2_1"))

  ;; Always the same place: what the host hands over is not looked at.
  (func (export "proxy_on_memory_allocate") (param i32) (result i32)
    (i32.const 131072))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    ;; How long the client would wait; it does not say.
    (drop (call $header (i32.const 0) (i32.const 192) (i32.const 25) (i32.const 0) (i32.const 4)))
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 8)))
    ;; The mark, the exchange of the state, the answer's limit, the worker.
    (drop (call $set_property (i32.const 128) (i32.const 12) (i32.const 4096) (i32.const 14)))
    (drop (call $set_shared_data (i32.const 160) (i32.const 19) (i32.const 4096) (i32.const 600) (i32.const 0)))
    (drop (call $replace_header (i32.const 0) (i32.const 256) (i32.const 30) (i32.const 288) (i32.const 6)))
    (drop (call $replace_header (i32.const 0) (i32.const 64) (i32.const 16) (i32.const 96) (i32.const 21)))
    (i32.const 0))

  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (drop (call $header (i32.const 2) (i32.const 224) (i32.const 7) (i32.const 0) (i32.const 4)))
    (i32.const 0))

  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
    (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 8)))
    (drop (call $set_shared_data (i32.const 160) (i32.const 19) (i32.const 4096) (i32.const 600) (i32.const 0)))
    (i32.const 0))

  (func (export "proxy_on_log") (param i32)))
