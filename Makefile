# Everything a new machine needs: `make demo` shows what Modiste does, `make test` checks it.
# The first of these that runs; name another with `make demo PYTHON=/path/to/python`.
PYTHON ?= $(firstword $(foreach python,python3.11 python3.12 python3.13 python3,$(shell $(python) -c 'print("$(python)")' 2>/dev/null)) python3.11)
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

# Waiting OpenMP threads that spin starve other processes; bytecode is compiled once at installation.
export OMP_WAIT_POLICY ?= PASSIVE
export TOKENIZERS_PARALLELISM ?= false
export NO_MKDOCS_2_WARNING = 1
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test browser install install-dev lint format docs wheel wheel-test bench audit sbom licences clean help

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: install  ## Draw a catalogue, index it, search it, serve it: make demo ARGS="--items 5000 --no-serve"
	@$(BIN)/modiste demo $(ARGS)

install: $(VENV)/.installed  ## Make the environment and install what the demo needs

install-dev: $(VENV)/.installed-dev  ## ... and what tests and linters need

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13))' || \
	  { echo "error: $(PYTHON) is not Python 3.11, 3.12 or 3.13; name one: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv is missing; installing it"; rm -rf $(VENV); sh scripts/debian-packages.sh python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

browser:  ## The browser that the page's tests drive; MODISTE_NO_BROWSER=1 does without
	@[ "$$MODISTE_NO_BROWSER" = 1 ] || [ -n "$$MODISTE_CHROMIUM" ] || command -v chromium || command -v chromium-browser || \
	  command -v google-chrome || sh scripts/debian-packages.sh chromium

test: install-dev browser  ## Lint, type-check, build the docs, run every test with coverage
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests/consumer
	$(BIN)/python -m mkdocs build --strict
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report= $(ARGS)
	$(BIN)/python -m coverage report --skip-covered --fail-under=90 \
	  --include='src/modiste/engine/*,src/modiste/data/*'

lint: install-dev  ## Only lint and types
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/mypy tests/consumer

format: install-dev  ## Format the code
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

docs: install-dev  ## The documentation's site, in build/site; a broken link is an error
	$(BIN)/python -m mkdocs build --strict

wheel: $(BIN)/python  ## dist/*.whl and dist/*.tar.gz
	sh scripts/wheel_test.sh --build-only

wheel-test: install-dev  ## Build wheel and sdist, look into them, run the demo from the wheel in an environment of its own
	PYTHON=$(BIN)/python sh scripts/wheel_test.sh

bench: install-dev  ## The speeds that README and docs quote, those that are not fresh: make bench ARGS="--list"
	$(BIN)/python bench/all.py $(ARGS)

# Tools that look at the environment from outside: in one of their own, for what they need is no part of ours.
$(VENV)/audit/.installed: | $(BIN)/python
	@$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check 'cyclonedx-bom>=7,<8' 'pip-audit>=2.9,<3'
	@touch $@

audit: $(VENV)/audit/.installed  ## Known holes of the versions in constraints.txt; asks a vulnerability service on the network
	$(VENV)/audit/bin/pip-audit --no-deps --disable-pip -r constraints.txt

sbom: install $(VENV)/audit/.installed  ## What is installed, with licences, as CycloneDX: dist/sbom.cdx.json
	@mkdir -p dist
	$(VENV)/audit/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o dist/sbom.cdx.json $(BIN)/python

licences: install-dev  ## Write docs/licences.md anew
	$(BIN)/python scripts/licences.py

clean:  ## Remove what was made here, the environment too
	rm -rf $(VENV) demo runs dist build artefacts .pytest_cache .mypy_cache .ruff_cache .coverage*
