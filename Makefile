# `make demo` needs Python >= 3.11 and make; `make test` also Go, Node and npm (.ci/run says which). The rest is fetched
# by pinned name.
# uv lives outside the venv: `uv sync` would otherwise be free to remove itself.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/bin/uv
export UV_PROJECT_ENVIRONMENT := .venv
SYNCED := .venv/.synced
RUN := $(UV) run --frozen --no-sync
FOREIGN := tests/integration/foreign
FOREIGN_NPM := $(FOREIGN)/node_modules/.package-lock.json
FOREIGN_PYTHON := .tools/foreign/.installed

.PHONY: demo test foreign check bench fmt schemas clean
demo: $(SYNCED)  ## the whole system on this machine, 1,000 requests, every promise checked
	$(RUN) glomar demo --requests 1000

test: $(SYNCED) foreign
	$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder

foreign: $(FOREIGN_NPM) $(FOREIGN_PYTHON)  ## others' programs that the tests use; each file has a pinned hash

check: $(SYNCED)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) python -m tests.generate --check
	UV=$(UV) $(RUN) python -m tests.isolated

bench: $(SYNCED)
	$(RUN) python -m tests.bench
	$(RUN) python -m tests.bench.holds
	$(RUN) python -m tests.bench.register
	$(RUN) python -m tests.bench.checking
	$(RUN) python -m tests.bench.ledger

fmt: $(SYNCED)
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

schemas: $(SYNCED)  ## write the generated files: JSON Schemas, AsyncAPI, test vectors
	$(RUN) python -m tests.generate --write

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Glomar needs Python 3.11 or newer; set PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet uv==$(UV_VERSION)

$(SYNCED): $(UV) uv.lock pyproject.toml schemas/pyproject.toml $(wildcard services/*/pyproject.toml) $(wildcard deploy/*/pyproject.toml)
	$(UV) sync --frozen --all-packages --all-extras --python $(PYTHON)
	@touch $@

# They ask for Python 3.12, and run on ours; beside the venv, which has the one library that they need.
$(FOREIGN_PYTHON): $(SYNCED) $(FOREIGN)/witness.txt
	rm -rf $(@D)
	$(UV) pip install --quiet --python .venv --target $(@D) --python-version 3.12 --no-deps --require-hashes -r $(FOREIGN)/witness.txt
	@touch $@

uv.lock: ;

$(FOREIGN_NPM): $(FOREIGN)/package-lock.json
	@command -v npm >/dev/null || { echo "make test needs npm: install it (Debian: apt-get install npm)" >&2; exit 1; }
	npm ci --prefix $(FOREIGN)
	@touch $@

clean:
	rm -rf .venv .tools $(FOREIGN)/node_modules
