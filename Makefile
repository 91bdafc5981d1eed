# Two commands do everything: `make run` (the earthquakes example on its own broker) and `make test`.
# Cargo's own settings are left alone; CI points CARGO_TARGET_DIR at a cache of its own.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CACHE := $(CURDIR)/.cache
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)

.PHONY: differential help run test fmt clippy rust-test test-binary compat-python test-kafka build release bench tools clean

help: ## what there is to call
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

build: ## the binary, quick to build, sharing its dependencies with the tests
	cargo build --locked -p millstream --features tested

release: ## the binary, optimised
	cargo build --locked --release -p millstream

run: build ## the earthquakes example: file -> topic -> SQL -> files
	$(TARGET)/debug/millstream run examples/earthquakes/pipeline.yaml --until-done

test: fmt clippy rust-test compat-python ## everything, installing what it needs

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --all-targets -- -D warnings

rust-test:
	cargo test --locked --workspace

differential: ## QUERIES=1000 generated queries against batch DataFusion, from SEED=1 on
	MILLSTREAM_QUERIES=$(or $(QUERIES),1000) MILLSTREAM_SEED=$(or $(SEED),1) \
		cargo test --locked --workspace --lib generated_queries_give_what_batch_gives

# With the features that the tests are built with: `cargo build` would compile DataFusion a second time.
test-binary:
	cargo test --locked --workspace --no-run

tools: ## Python clients and kcat that the compatibility tests drive
	broker/tests/compat/install $(CACHE)

compat-python: test-binary tools
	broker/tests/compat/run $(CACHE) $(TARGET)/debug/millstream

test-kafka: build ## the earthquakes example on a real Apache Kafka, same files
	runtime/tests/kafka/run $(CACHE) $(TARGET)/debug/millstream

bench: release ## produce and consume, beside this machine's own limits
	$(TARGET)/release/millstream bench produce
	$(TARGET)/release/millstream bench consume

clean:
	cargo clean
	rm -rf $(CACHE)
