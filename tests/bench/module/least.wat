;; The least that gives out slots over all of Envoy's threads: one exchange of the shared state when a request comes, its worker's header, one exchange when
;; the answer has ended. No clock, no wait that a client asks for, no look at the answer, no mark by which a crash is survived. Every value is a constant.
(module
  (import "env" "proxy_replace_header_map_value" (func $replace_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared_data (param i32 i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 4)
  (data (i32.const 64) "x-slotway-worker")
  (data (i32.const 96) "http://127.0.0.1:9001")
  (data (i32.const 160) "slotway/1/test/root")

  (func (export "proxy_abi_version_0_2_1"))

  (func (export "proxy_on_memory_allocate") (param i32) (result i32)
    (i32.const 131072))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $set_shared_data (i32.const 160) (i32.const 19) (i32.const 4096) (i32.const 300) (i32.const 0)))
    (drop (call $replace_header (i32.const 0) (i32.const 64) (i32.const 16) (i32.const 96) (i32.const 21)))
    (i32.const 0))

  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
    (drop (call $set_shared_data (i32.const 160) (i32.const 19) (i32.const 4096) (i32.const 300) (i32.const 0)))
    (i32.const 0)))
