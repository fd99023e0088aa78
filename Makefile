# Slotway. `make help` lists the targets.

# What is built is at one place, whatever the caller's environment says: README and tests name target/release/slotway.
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

chaos: build ## Breaks everything round a real Envoy at once, from one seed (SEED=n MINUTES=m)
	@filter/build.sh test
	@cargo test --locked --release -p slotway-tests --test chaos -- \
		$(if $(SEED),--seed $(SEED)) --minutes $(or $(MINUTES),2)

# One case, or several: CASE=overhead,saturation. How often each contender is measured: ROUNDS=n.
bench: build ## Measures Slotway beside Envoy alone, HAProxy and nginx (QUICK=1 for a first look in three minutes)
	@tests/tools/peers.sh
	@mkdir -p target/bench
	@filter/build.sh --package slotway-empty-filter target/bench/empty_sdk.wasm
	@cargo bench --locked -q -p slotway-tests --bench peers -- \
		$(if $(QUICK),--quick) $(if $(CASE),--case $(CASE)) $(if $(ROUNDS),--rounds $(ROUNDS))

fuzz: ## Fuzzes what reads foreign bytes, each target for MINUTES minutes (1 if not said)
	@tests/tools/need.sh cargo cc
	@filter/build.sh
	@tests/fuzz/run.sh long $(or $(MINUTES),1)

# One seed, or so many: SEED=n, SEEDS=count.
sim: ## Simulates the filter on many lanes where everything goes wrong, and checks each promise (SEED=n, SEEDS=count)
	@tests/tools/need.sh cargo cc
	@filter/build.sh test
	@cargo run --locked --release -q -p slotway-tests --bin sim -- $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000))

sim-mutants: ## Shows that the simulator finds defects: each seeded one until it is caught (SEEDS=count at most)
	@tests/tools/need.sh cargo cc
	@filter/build.sh test
	@cargo run --locked --release -q -p slotway-tests --bin sim -- --mutants --seeds $(or $(SEEDS),5000)

model: ## Visits every state of the lanes' protocol in small cases; finds each seeded defect (LARGE=1 for more, TRACES=1)
	@tests/tools/need.sh cargo cc
	@cargo run --locked --release -q -p slotway-tests --bin model -- $(if $(LARGE),--large) $(if $(TRACES),--traces)

fmt: ## Formats the sources
	@cargo fmt --all

lint: ## Checks formatting, clippy's lints and the dependencies' licences and sources
	@tests/tools/need.sh cargo cc
	@tests/run.sh lint

clean: ## Removes what was built; what was fetched (.tools/) stays
	@rm -rf target

tools:
	@tests/tools/need.sh cargo cc python3 curl
