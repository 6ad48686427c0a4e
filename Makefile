# What there is to do with weir. Everything works on a bare Debian 12 that has Rust, git and make.

SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)

WEB := crates/origin/web
WEB_SOURCES := $(shell find $(WEB) -type d \( -name node_modules -o -name dist \) -prune -o -type f -print)
BUILT := $(or $(CARGO_TARGET_DIR),target)
CONFIG ?= config/weir.toml

PLAYERS := tests/players
PLAYERS_SOURCES := $(wildcard $(PLAYERS)/*.html $(PLAYERS)/*.js $(PLAYERS)/src/*) $(WEB)/src/bars.ts

# Built together, since each alone has features of dependencies of its own and would build them anew; so this weir may differ
# from that of `make build` in such features.
BENCH = cargo build --release --locked -p weir -p weir-benches && $(BUILT)/release/weir-benches

.PHONY: help setup run demo build web players test check contract fuzz soak
.PHONY: bench bench-ladder bench-ingest bench-origin bench-latency bench-waiters bench-srt bench-setup
.DEFAULT_GOAL := help

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

setup: ## Install what weir needs (apt); quick when nothing is missing
	@scripts/setup

run: build ## Build weir and start it with config/weir.toml (or CONFIG=...)
	$(BUILT)/release/weir serve --config $(CONFIG)

demo: build ## Start weir with a moving test picture, for people without an encoder
	@scripts/setup --demo
	@WEIR=$(BUILT)/release/weir scripts/demo

build: web ## Build the daemon
	cargo build --release --locked -p weir

web: $(WEB)/dist/index.html ## Build the watch page

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(WEB_SOURCES)
	cd $(WEB) && npm run build
	@touch $@

$(WEB)/node_modules/.package-lock.json: $(WEB)/package.json $(WEB)/package-lock.json | setup
	cd $(WEB) && npm ci --no-audit --no-fund
	@touch $@

players: $(PLAYERS)/dist/index.html ## Build the pages of the players that the tests measure with

$(PLAYERS)/dist/index.html: $(PLAYERS)/node_modules/.package-lock.json $(PLAYERS_SOURCES)
	cd $(PLAYERS) && npm run build
	@touch $@

$(PLAYERS)/node_modules/.package-lock.json: $(PLAYERS)/package.json $(PLAYERS)/package-lock.json | setup
	cd $(PLAYERS) && npm ci --no-audit --no-fund
	@touch $@

test: web players ## Run all tests, with real encoders and a real browser
	@scripts/setup --test
	cargo nextest run --locked --workspace --no-tests=fail

check: web ## Formatting, lints, licences and sources of dependencies, types of the watch page
	@scripts/setup --check
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo deny --locked check bans licenses sources
	@if cargo deny --locked fetch db >/dev/null 2>&1; then \
		cargo deny --locked check advisories; \
	else \
		echo "advisories were NOT checked: their database cannot be reached"; \
	fi
	cd $(WEB) && npm run check

contract: web ## Hold the API to its own description, with schemathesis
	@scripts/setup --contract
	cargo build --locked -p weir
	@WEIR=$(BUILT)/debug/weir scripts/contract

fuzz: web ## Fuzz what reads bytes from outside: all targets or TARGET=..., each for SECONDS_EACH (600)
	@scripts/setup --fuzz
	@scripts/fuzz $(TARGET)

bench: web players bench-setup ## Measure everything beside its peers, into benches/RESULTS.md (forty minutes; wants an idle machine)
	$(BENCH) all

bench-ladder: web bench-setup ## CPU, memory and pictures of the ladder beside ffmpeg's, of CLIP=... if given
	$(BENCH) ladder $(CLIP)

bench-ingest: web bench-setup ## CPU and memory of many encoders beside nginx-rtmp and libsrt
	$(BENCH) ingest

bench-origin: web bench-setup ## Playlists and segments beside nginx
	$(BENCH) origin

bench-latency: web players bench-setup ## From capture to screen with hls.js, Shaka and video.js
	$(BENCH) latency $(SECONDS_EACH)

bench-waiters: web bench-setup ## Thousands of requests that wait for the next part
	$(BENCH) waiters

bench-srt: web bench-setup ## SRT on bad links and with many callers, beside libsrt (a quarter of an hour)
	$(BENCH) srt-losses
	$(BENCH) srt-load

bench-setup:
	@scripts/setup --bench

soak: web ## Let everything go wrong for MINUTES=30 with SEED=1, and look on
	@scripts/setup --soak
	$(BENCH) soak $(or $(MINUTES),30) $(or $(SEED),1)
