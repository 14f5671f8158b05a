# Everything a developer or an operator types. `make run` needs nothing but Python 3.11 or newer.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
# The stamps hold the lock's checksum, so that an unchanged lock installs nothing.
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
COMPILE := $(BIN)/pip-compile --quiet --no-emit-index-url --no-emit-find-links --no-header \
	--generate-hashes --allow-unsafe --strip-extras
# Tests of the ordinary run; the others have a target of their own.
ORDINARY := not e2e and not chaos and not slow and not gpu and not mlflow
TEST_WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest

.PHONY: help run doctor test test-slow test-mlflow test-frontend e2e check lint types contracts format lock bench clean-venv

help: ## Say what can be made.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /:\t/' | expand -t 16

run: $(RUN_STAMP) ## Install what is missing and run Assay (PORT, HOST, DATA_DIR, WORKERS).
	@exec $(BIN)/python manage.py up

doctor: $(RUN_STAMP) ## Check this installation.
	@exec $(BIN)/python manage.py doctor

test: $(DEV_STAMP) ## Run the tests (some minutes; no browser, no killing of processes).
	$(PYTEST) -n $(TEST_WORKERS) -m "$(ORDINARY)"

test-slow: $(DEV_STAMP) ## Run the slow tests and those that kill processes.
	$(PYTEST) -m "(slow or chaos) and not e2e and not gpu and not mlflow"

test-mlflow: $(DEV_STAMP) ## Run real MLflow clients against the product (installs two of them beside it).
	@clients=$$(.ci/mlflow_clients) && eval "$$clients" && $(PYTEST) -n $(TEST_WORKERS) --dist loadfile -m mlflow tests/mlflow

test-frontend: ## Run the browser modules' unit tests (needs node).
	node --test tests/frontend/*.test.mjs

e2e: $(DEV_STAMP) ## Drive the product with a real browser (needs chromium).
	$(PYTEST) -m e2e

check: lint types contracts ## Lint, types, import contracts, migrations, deployment settings.
	@.ci/check_django

lint: $(DEV_STAMP) ## Lint and formatting of Python, templates, spelling and shell.
	@.ci/lint

types: $(DEV_STAMP) ## Static types, strict.
	$(BIN)/mypy

contracts: $(DEV_STAMP) ## Who may import whom.
	$(BIN)/lint-imports --no-logo

format: $(DEV_STAMP) ## Format Python and template syntax.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --exit-zero --quiet .
	git ls-files -z 'templates/*.html' | xargs -0 -r $(BIN)/djade --target-version 5.2

lock: $(DEV_STAMP) ## Renew the hash-pinned requirement files after editing the .in files.
	$(COMPILE) --output-file requirements.txt requirements.in
	$(COMPILE) --output-file requirements-dev.txt requirements-dev.in

# Each takes the options its first lines explain; all make a throw-away installation of their own.
BENCHMARKS := startup idle_memory commit_to_browser profile_csv pages_at_scale upload_memory \
	training_overhead training_machinery tracking.compare tracking.soak tracking.web_memory
BENCH ?= startup idle_memory

bench: $(DEV_STAMP) ## Measure; BENCH="pages_at_scale upload_memory" chooses, BENCH=all takes half an hour.
	@echo "available: $(BENCHMARKS)"
	@for name in $(if $(filter all,$(BENCH)),$(BENCHMARKS),$(BENCH)); do \
		echo "== $$name"; $(BIN)/python -m benchmarks.$$name || failed=1; \
	done; exit $${failed:-0}

clean-venv: ## Throw the virtual environment away.
	rm -rf $(VENV)

$(BIN)/python:
	@.ci/make_venv $(VENV)

$(RUN_STAMP): requirements.txt | $(BIN)/python
	@.ci/install $(VENV) $(RUN_STAMP) requirements.txt

$(DEV_STAMP): requirements-dev.txt $(RUN_STAMP)
	@.ci/install $(VENV) $(DEV_STAMP) requirements-dev.txt
