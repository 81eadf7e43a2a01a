# `make demo` and `make test` need Python >= 3.11 and make; everything else is fetched by pinned name.
# uv lives outside the venv: `uv sync` would otherwise be free to remove itself.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/bin/uv
export UV_PROJECT_ENVIRONMENT := .venv
SYNCED := .venv/.synced
FOREIGN := .tools/foreign/.installed
RUN := $(UV) run --frozen --no-sync

.PHONY: demo test check bench fmt schemas clean
demo: $(SYNCED)  ## the whole system on this machine, 1,000 requests, every promise checked
	$(RUN) glomar demo --requests 1000

test: $(SYNCED) $(FOREIGN)
	$(RUN) pytest

check: $(SYNCED)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) python -m tests.generated --check
	UV=$(UV) $(RUN) python -m tests.isolated

bench: $(SYNCED)
	$(RUN) python -m tests.bench
	$(RUN) python -m tests.bench.holds

fmt: $(SYNCED)
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

schemas: $(SYNCED)  ## write the generated files: JSON Schemas, AsyncAPI, test vectors
	$(RUN) python -m tests.generated --write

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Glomar needs Python 3.11 or newer; set PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet uv==$(UV_VERSION)

$(SYNCED): $(UV) uv.lock pyproject.toml schemas/pyproject.toml $(wildcard services/*/pyproject.toml) deploy/local/pyproject.toml
	$(UV) sync --frozen --all-packages --all-extras --python $(PYTHON)
	@touch $@

# They ask for Python 3.12, and run on ours; beside the venv, which has the one library that they need.
$(FOREIGN): $(SYNCED) tests/integration/foreign/witness.txt
	rm -rf $(@D)
	$(UV) pip install --quiet --python .venv --target $(@D) --python-version 3.12 --no-deps --require-hashes -r tests/integration/foreign/witness.txt
	@touch $@

uv.lock: ;

clean:
	rm -rf .venv .tools
