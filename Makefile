# The commands of the house. Each one installs what it needs; nothing has to be prepared by hand.
# Options: PYTHON=python3.12 (the interpreter of a new .venv), ARGS="..." (passed on to what is started).

SHELL := /bin/sh
BIN := .venv/bin
ARGS ?=
BENCH ?= all
# One worker per core, at most four: each starts servers of its own. WORKERS= runs the tests in one process.
WORKERS ?= --numprocesses=auto --maxprocesses=4 --dist=worksteal
# Names instead of pins: `make lock UPGRADE=--upgrade` takes the newest releases, plain `make lock` keeps the pins.
UPGRADE ?=
LOCK := $(BIN)/uv --no-config pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --quiet $(UPGRADE) --extra build

.DEFAULT_GOAL := help
.PHONY: help setup setup-run demo demo-check test check format docs bench soak lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: ## .venv with everything for development, from the lock file
	@scripts/setup dev

setup-run:
	@scripts/setup run

demo: setup-run ## a whole hall on this machine; ARGS="--speed 10"
	$(BIN)/hallfleet demo $(ARGS)

demo-check: setup-run ## play the story at speed and check it from outside
	@mkdir -p out
	$(BIN)/hallfleet demo --check --json out/demo-check.json $(ARGS)

test: setup ## every test, with real servers; ARGS="-k printer"
	scripts/install-servers
	$(BIN)/python -m pytest $(WORKERS) $(ARGS)

check: setup ## format, lint, types, import contracts, generated documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.generate_docs --check

format: setup ## format and fix what can be fixed by machine
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## rewrite the generated documents
	$(BIN)/python -m scripts.generate_docs

bench: setup ## measure; BENCH=ingest
	scripts/install-servers
	@mkdir -p out
	$(BIN)/hallfleet bench $(BENCH) --json out/bench.json $(ARGS)

soak: setup ## the long tests
	scripts/install-servers
	$(BIN)/python -m pytest -m soak --timeout=0 $(ARGS)

lock: setup ## write both lock files; UPGRADE=--upgrade takes the newest releases
	$(LOCK) pyproject.toml --output-file requirements.lock
	$(LOCK) --extra dev --constraint requirements.lock pyproject.toml --output-file requirements-dev.lock
	@! grep -nE '^--|://|file:' requirements.lock requirements-dev.lock

clean: ## remove the environment, caches and results
	rm -rf .venv out build ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
