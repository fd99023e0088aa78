;; A module that says what is called, and does what a request's header `do` asks for.
;; Each word in its log is a letter and a digit: the callback and its context, or a host call and its status.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $set_tick (param i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get_data (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_data (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $set_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call" (func $http (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 2)
  (data (i32.const 16) "do")
  (data (i32.const 32) "q")
  (data (i32.const 48) "count")
  (data (i32.const 64) "no slot")
  (data (i32.const 80) "cp")
  (data (i32.const 96) "x-probe")
  (data (i32.const 112) "yes")
  (data (i32.const 128) "response\00code_details")
  ;; :path / :method GET :authority cp, as pairs
  (data (i32.const 160)
    "\03\00\00\00" "\05\00\00\00" "\01\00\00\00" "\07\00\00\00" "\03\00\00\00" "\0a\00\00\00" "\02\00\00\00"
    ":path\00" "/\00" ":method\00" "GET\00" ":authority\00" "cp\00")

  (global $heap (mut i32) (i32.const 65536))
  (global $held (mut i32) (i32.const 0))
  (global $queue (mut i32) (i32.const 0))
  (global $metric (mut i32) (i32.const 0))
  (global $requests (mut i32) (i32.const 0))

  (func (export "malloc") (param $len i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (global.get $heap) (local.get $len)))
    (local.get $at))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "_initialize"))

  (func $say (param $letter i32) (param $digit i32)
    (i32.store8 (i32.const 0) (local.get $letter))
    (i32.store8 (i32.const 1) (i32.add (local.get $digit) (i32.const 48)))
    (drop (call $log (i32.const 2) (i32.const 0) (i32.const 2))))

  (func (export "proxy_on_context_create") (param $context i32) (param $root i32))
  (func (export "proxy_on_vm_start") (param $context i32) (param $len i32) (result i32)
    (call $say (i32.const 83) (local.get $context)) ;; S
    (i32.const 1))
  ;; The configuration's first letter: t ticks each 100 ms, f is refused.
  (func (export "proxy_on_configure") (param $context i32) (param $len i32) (result i32)
    (local $letter i32)
    (call $say (i32.const 67) (local.get $context)) ;; C
    (drop (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 4) (i32.const 8)))
    (local.set $letter (i32.load8_u (i32.load (i32.const 4))))
    (drop (call $register (i32.const 32) (i32.const 1) (i32.const 4)))
    (global.set $queue (i32.load (i32.const 4)))
    (drop (call $define (i32.const 0) (i32.const 48) (i32.const 5) (i32.const 4)))
    (global.set $metric (i32.load (i32.const 4)))
    (if (i32.eq (local.get $letter) (i32.const 116)) (then (drop (call $set_tick (i32.const 100)))))
    (i32.ne (local.get $letter) (i32.const 102)))

  (func (export "proxy_on_tick") (param $context i32)
    (call $say (i32.const 84) (local.get $context))) ;; T

  ;; Goes on with the request that is held, and tries to touch it after that.
  (func $release
    (call $say (i32.const 101) (call $effective (global.get $held))) ;; e
    (drop (call $set_header (i32.const 0) (i32.const 96) (i32.const 7) (i32.const 112) (i32.const 3)))
    (call $say (i32.const 99) (call $continue (i32.const 0))) ;; c
    (call $say (i32.const 103)
      (call $get_header (i32.const 0) (i32.const 16) (i32.const 2) (i32.const 4) (i32.const 8)))) ;; g
  (func (export "proxy_on_queue_ready") (param $context i32) (param $token i32)
    (call $say (i32.const 81) (local.get $context)) ;; Q
    (call $say (i32.const 100) (call $dequeue (local.get $token) (i32.const 4) (i32.const 8))) ;; d
    (if (global.get $held) (then (call $release))))

  ;; Adds one to a number in shared data, and tries again while others come in between.
  (func $count
    (local $cas i32)
    (local $at i32)
    (loop $again
      (local.set $cas (i32.const 0))
      (i32.store (i32.const 12) (i32.const 0))
      (if (i32.eqz (call $get_data (i32.const 48) (i32.const 5) (i32.const 4) (i32.const 8) (i32.const 20)))
        (then
          (i32.store (i32.const 12) (i32.load (i32.load (i32.const 4))))
          (local.set $cas (i32.load (i32.const 20)))))
      (i32.store (i32.const 12) (i32.add (i32.load (i32.const 12)) (i32.const 1)))
      (br_if $again
        (call $set_data (i32.const 48) (i32.const 5) (i32.const 12) (i32.const 4) (local.get $cas)))))

  (func (export "proxy_on_request_headers") (param $context i32) (param $headers i32) (param $end i32) (result i32)
    (local $what i32)
    (call $say (i32.const 72) (local.get $context)) ;; H
    (global.set $requests (i32.add (global.get $requests) (i32.const 1)))
    (drop (call $increment (global.get $metric) (i64.const 1)))
    (if (i32.eqz (call $get_header (i32.const 0) (i32.const 16) (i32.const 2) (i32.const 4) (i32.const 8)))
      (then (local.set $what (i32.load8_u (i32.load (i32.const 4))))))
    (if (i32.eq (local.get $what) (i32.const 104)) ;; hold
      (then (global.set $held (local.get $context)) (return (i32.const 1))))
    (if (i32.eq (local.get $what) (i32.const 114)) ;; reply
      (then
        (drop (call $reply (i32.const 503) (i32.const 48) (i32.const 5) (i32.const 64) (i32.const 7)
          (i32.const 0) (i32.const 0) (i32.const -1)))))
    (if (i32.eq (local.get $what) (i32.const 110)) (then (call $count))) ;; number
    (if (i32.eq (local.get $what) (i32.const 101)) ;; enqueue
      (then (drop (call $enqueue (global.get $queue) (i32.const 16) (i32.const 2)))))
    (if (i32.eq (local.get $what) (i32.const 116)) (then unreachable)) ;; trap
    (if (i32.eq (local.get $what) (i32.const 119)) (then (call $release))) ;; wake
    (if (i32.eq (local.get $what) (i32.const 115)) ;; statics
      (then (call $say (i32.const 115) (global.get $requests))))
    (if (i32.eq (local.get $what) (i32.const 99)) ;; call
      (then
        (call $say (i32.const 104)
          (call $http (i32.const 80) (i32.const 2) (i32.const 160) (i32.const 62) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 4)))))
    (i32.const 0))
  (func (export "proxy_on_request_body") (param $context i32) (param $len i32) (param $end i32) (result i32)
    (call $say (i32.const 66) (local.get $len)) ;; B
    (i32.const 0))
  (func (export "proxy_on_response_headers") (param $context i32) (param $headers i32) (param $end i32) (result i32)
    (call $say (i32.const 82) (local.get $context)) ;; R
    (drop (call $set_header (i32.const 2) (i32.const 96) (i32.const 7) (i32.const 112) (i32.const 3)))
    (i32.const 0))
  (func (export "proxy_on_response_body") (param $context i32) (param $len i32) (param $end i32) (result i32)
    (call $say (i32.const 68) (local.get $context)) ;; D
    (i32.const 0))
  (func (export "proxy_on_http_call_response")
    (param $context i32) (param $token i32) (param $headers i32) (param $len i32) (param $trailers i32)
    (call $say (i32.const 78) (local.get $context)) ;; N
    (call $say (i32.const 104) (local.get $headers)))
  (func (export "proxy_on_log") (param $context i32)
    (call $say (i32.const 76) (local.get $context)) ;; L
    (call $say (i32.const 112)
      (call $property (i32.const 128) (i32.const 21) (i32.const 4) (i32.const 8)))) ;; p
  (func (export "proxy_on_done") (param $context i32) (result i32)
    (call $say (i32.const 88) (local.get $context)) ;; X
    (i32.const 1))
  (func (export "proxy_on_delete") (param $context i32)
    (call $say (i32.const 90) (local.get $context)))) ;; Z
