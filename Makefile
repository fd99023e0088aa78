# Slotway. `make help` lists the targets.

# One place for what is built, whatever the environment says: README and tests name target/release/slotway.
export CARGO_TARGET_DIR := $(CURDIR)/target

.DEFAULT_GOAL := help
.PHONY: help run build test quick chaos bench fuzz sim sim-mutants model fmt lint clean tools

help: ## Lists the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: build ## Builds and runs the demo: control plane, Envoy, two workers (Ctrl-C stops it)
	@exec target/release/slotway up -f envoy/demo.yaml --demo-workers

build: tools ## Builds slotway, slotway-worker and the filter (into target/), and fetches Envoy (into .tools/)
	@envoy/fetch.sh
	@filter/build.sh
	@echo "slotway: building the control plane and the reference worker"
	@cargo build --locked --release -p slotway -p slotway-worker
	@echo "slotway: target/release/slotway and target/release/slotway-worker are ready"

test: tools ## Runs every check and test, set-up included
	@tests/run.sh all

quick: ## Runs the tests that need no Envoy: engine, units, the filter in wasmtime
	@tests/tools/need.sh cargo cc
	@tests/run.sh quick

chaos: build ## Injects failures into a running Envoy, control plane and workers, from one seed (SEED=n MINUTES=m)
	@filter/build.sh test
	@cargo test $$(tests/flags.sh) --test chaos -- \
		$(if $(SEED),--seed $(SEED)) --minutes $(or $(MINUTES),2)

# CASE=overhead,saturation selects cases. ROUNDS=n measures each contender n times.
bench: build ## Measures Slotway beside Envoy alone, HAProxy and nginx (QUICK=1 for a first look in three minutes)
	@tests/tools/peers.sh
	@case "$(CASE)" in *connections*) tests/tools/field.sh;; esac
	@mkdir -p target/bench
	@filter/build.sh --package slotway-empty-filter target/bench/empty_sdk.wasm
	@cargo bench --locked -q -p slotway-tests --bench peers -- \
		$(if $(QUICK),--quick) $(if $(CASE),--case $(CASE)) $(if $(ROUNDS),--rounds $(ROUNDS))

fuzz: ## Fuzzes what reads bytes from outside, each target for MINUTES minutes (default 1)
	@tests/tools/need.sh cargo cc
	@filter/build.sh
	@tests/fuzz/run.sh long $(or $(MINUTES),1)

sim: ## Simulates the filter on many lanes with injected failures, and checks each guarantee (SEED=n, SEEDS=count)
	@tests/tools/need.sh cargo cc
	@filter/build.sh test
	@cargo build -q $$(tests/flags.sh) --bin sim
	@target/release/sim $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000))

sim-mutants: ## Runs the simulator on each seeded defect until it finds it (SEEDS=count at most)
	@tests/tools/need.sh cargo cc
	@filter/build.sh test
	@cargo build -q $$(tests/flags.sh) --bin sim
	@target/release/sim --mutants --seeds $(or $(SEEDS),5000)

model: ## Visits every state of the lanes' protocol in small cases, and finds each seeded defect (LARGE=1, TRACES=1)
	@tests/tools/need.sh cargo cc
	@cargo build -q $$(tests/flags.sh) --bin model
	@target/release/model $(if $(LARGE),--large) $(if $(TRACES),--traces)

fmt: ## Formats the sources
	@cargo fmt --all

lint: ## Checks formatting, lints, architecture, documentation, and the dependencies' licences and sources
	@tests/tools/need.sh cargo cc
	@tests/run.sh lint

clean: ## Removes what was built, and keeps what was fetched (.tools/)
	@rm -rf target

tools:
	@tests/tools/need.sh cargo cc python3 curl
