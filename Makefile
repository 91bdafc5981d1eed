# Two commands do everything: `make run` (the earthquakes example on its own broker) and `make test`.
# Cargo's own settings are left alone; CI points CARGO_TARGET_DIR at a cache of its own.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CACHE := $(CURDIR)/.cache
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)

.PHONY: plugin-examples help differential run test fmt clippy servers rust-test test-binary compat-clients compat simulate test-kafka kills build release bench tools clean

help: ## what there is to call
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

build: ## the binary, quick to build, sharing its dependencies with the tests
	cargo build --locked -p millstream --features tested

release: ## the binary, optimised
	cargo build --locked --release -p millstream

run: build ## the earthquakes example: file -> topic -> SQL -> files
	$(TARGET)/debug/millstream run examples/earthquakes/pipeline.yaml --until-done

test: fmt clippy rust-test compat-clients snapshot-kills-few plugin-examples ## everything, installing what it needs

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --all-targets -- -D warnings

rust-test: servers
	cargo test --locked --workspace

servers: ## database servers that the tests start
	connectors/tests/postgres/install

differential: ## QUERIES=1000 generated queries against batch DataFusion, from SEED=1 on
	MILLSTREAM_QUERIES=$(or $(QUERIES),1000) MILLSTREAM_SEED=$(or $(SEED),1) \
		cargo test --locked --workspace --lib generated_queries_give_what_batch_gives

# With the features that the tests are built with: `cargo build` would compile DataFusion a second time.
test-binary:
	cargo test --locked --workspace --no-run

tools: ## the Python, Go and Node clients and kcat that the compatibility tests drive
	broker/tests/compat/install $(CACHE)

compat-clients: test-binary tools ## stock clients: Python, C, Go and Node
	broker/tests/compat/run $(CACHE) $(TARGET)/debug/millstream

snapshot-kills-few: test-binary tools servers
	ROWS=100000 $(CACHE)/python/bin/python runtime/tests/kafka/connect/snapshot-kills $(TARGET)/debug/millstream

compat: test-binary tools ## Kafka's own Java tools, clients, Streams and Connect; long copies with everything killed
	broker/tests/compat/java/install $(CACHE)
	broker/tests/compat/java/run $(CACHE) $(TARGET)/debug/millstream
	COMPAT_KILLS=$${COMPAT_KILLS:-100} broker/tests/compat/run $(CACHE) $(TARGET)/debug/millstream -k copies

SEEDS ?= 20000
simulate: ## the seeded simulations, more of them: make simulate SEEDS=100000
	MILLSTREAM_SEEDS=$(SEEDS) cargo test --locked -p millstream-broker --lib --test main -- sim:: crash

plugin-examples: test-binary ## the example plugins in Rust, Python and JavaScript, from `plugin new` to a pipeline that ran
	runtime/tests/plugins/examples $(TARGET)/debug/millstream "$${MILLSTREAM_GUESTS:-$(CACHE)/guests}"

test-kafka: build ## the earthquakes example on a real Apache Kafka, same files; and a mirror of one
	runtime/tests/kafka/run $(CACHE) $(TARGET)/debug/millstream
	runtime/tests/kafka/mirror $(CACHE) $(TARGET)/debug/millstream

kills: release ## the orders example killed every second for two minutes, on its own broker and on an Apache Kafka killed too
	runtime/tests/kafka/kills $(CACHE) $(TARGET)/release/millstream

bench: release ## produce and consume, beside this machine's own limits
	$(TARGET)/release/millstream bench produce
	$(TARGET)/release/millstream bench consume

bench-connect: release tools servers ## our connectors beside Debezium, pg_recvlogical and Kafka's file connectors
	$(CACHE)/python/bin/python runtime/tests/kafka/connect/bench $(CACHE) $(TARGET)/release/millstream

bench-plugins: release ## a Rust component per core, and what one that misbehaves costs the pipelines beside it
	runtime/tests/plugins/bench $(TARGET)/release/millstream "$${MILLSTREAM_GUESTS:-$(CACHE)/guests}"
	runtime/tests/plugins/throughput $(TARGET)/release/millstream "$${MILLSTREAM_GUESTS:-$(CACHE)/guests}"

snapshot-kills: release tools servers ## a table of 5 million rows into a topic, the node killed twice meanwhile
	$(CACHE)/python/bin/python runtime/tests/kafka/connect/snapshot-kills $(TARGET)/release/millstream

clean:
	cargo clean
	rm -rf $(CACHE)
