# Two commands: `make demo` runs the main job, `make test` the tests. Both install what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo test proofs lint format bench docs clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.installed ## make .venv with everything the tool needs

# Byte-compiling pulumi-aws up front costs more than the install; Python compiles what it imports.
$(VENV)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-compile -r requirements.txt
	$(PIP) install --quiet --no-compile --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(PIP) install --quiet -r requirements-dev.txt
	@touch $@

demo: setup ## measure, decide, apply and roll back the reference workload, locally
	$(BIN)/python examples/trading/demo.py

test: setup ## run the tests
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not proof"

proofs: setup ## run the long proofs: every kill, real containers under load, ten million rows
	$(BIN)/python -m pytest -n auto --dist load -m proof

lint: $(VENV)/.installed-dev ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev ## rewrite formatting
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## run the benchmarks (needs RIGHTSIZING_DATA)
	$(BIN)/python benchmarks/real_traces.py

docs: setup ## write the generated reference pages again
	$(BIN)/python -m rightsizing.cli.reference docs

clean: ## remove the environment and local state
	rm -rf $(VENV) .rightsizing .mypy_cache .ruff_cache .pytest_cache .hypothesis
