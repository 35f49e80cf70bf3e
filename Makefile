# Needs Python 3.11 or newer, git and make; everything else comes from the locks in requirements/.
# pip and uv follow your own settings (UV_DEFAULT_INDEX and their like); nothing here names an index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV_PIP := $(BIN)/uv pip
COMPILE := $(UV_PIP) compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links $(UPGRADE)
SERVICE_LOCKS := templates/requirements/onnx.txt templates/requirements/treelite.txt
PARSERS := tests/files/test_markdown.py tests/files/test_frontmatter.py tests/increments/test_tasks.py \
	tests/increments/test_criteria.py
PROPERTIES := survives or an_edit_changes or an_inserted_line or whatever_the_document or marking_changes
SUITE_LOCKS := $(wildcard tests/integration/*/requirements.in tests/benchmarks/*/requirements.in)

.DEFAULT_GOAL := help
# What is started hundreds of times should not be compiled each time.
unexport PYTHONDONTWRITEBYTECODE
.DELETE_ON_ERROR:
.PHONY: help ready demo example test thorough mutation check format bench build lock clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

ready: $(READY) ## Make .venv with everything the other targets need

demo: $(READY) ## Take a model to a running, reversible service, and show each step
	$(BIN)/python examples/credit/demo.py

example: $(READY) ## Make .specweave-example again from a run of the demo
	$(BIN)/python examples/credit/demo.py --example .specweave-example

test: $(READY) ## Run every test that needs no system package; those that measure by themselves, after the others
	@status=0; \
	$(BIN)/pytest --numprocesses logical --dist loadfile --no-loadscope-reorder -m "not measures" || status=$$?; \
	$(BIN)/pytest -m measures || status=$$?; \
	exit $$status

thorough: $(READY) ## Run the properties of the Markdown documents with 20,000 examples each
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest --numprocesses logical -k "$(PROPERTIES)" $(PARSERS)

mutation: $(READY) ## See which small changes of the parser and the life cycle no test notices
	tests/mutation/run

check: $(READY) ## Check format, lint, types and the layers of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Format the code and mend what lint can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(READY) ## Run one benchmark: make bench NAME=serving
	@test -n "$(NAME)" || { echo "name one: make bench NAME=..." >&2; ls tests/benchmarks >&2; exit 2; }
	$(BIN)/python tests/benchmarks/$(NAME)

build: $(READY) ## Build the wheel and the source archive into dist/
	$(BIN)/python -m build --no-isolation --outdir dist

lock: $(READY) ## Lock every requirement again; newer versions with UPGRADE=--upgrade
	for lock in $(SERVICE_LOCKS:.txt=) templates/requirements/tests templates/requirements/locust $(SUITE_LOCKS:.in=); do \
		$(COMPILE) $$lock.in --output-file $$lock.txt || exit 1; done
	$(COMPILE) pyproject.toml $(SERVICE_LOCKS:%=--constraints %) --output-file requirements/tool.txt
	$(COMPILE) pyproject.toml requirements/dev.in $(SERVICE_LOCKS:%=--constraints %) \
		--constraints requirements/tool.txt --output-file requirements/dev.txt
	$(COMPILE) requirements/bootstrap.in --constraints requirements/tool.txt --output-file requirements/bootstrap.txt

clean: ## Remove what the other targets made, but for .venv
	rm -rf build dist .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name it: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/bootstrap.txt

$(READY): requirements/dev.txt pyproject.toml | $(BIN)/uv
	$(UV_PIP) sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt
	$(UV_PIP) install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
