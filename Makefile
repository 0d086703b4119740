# `make` lists the targets. Everything is installed into .venv, at the versions in constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup run test check format clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: .venv/installed ## Install what the shop needs to run

run: .venv/installed ## Serve the shop; CATALOGUE=export.csv sells what that file holds
	@exec $(BIN)/shop serve $${CATALOGUE:+--catalogue "$$CATALOGUE"}

test: .venv/installed-dev ## Run all tests; ARGS="-k cart" picks some
	@$(BIN)/python -m tests.chromium
	@$(BIN)/python -m tests.postgres
	$(BIN)/python -m pytest --numprocesses $$($(BIN)/python -c 'import os; print(os.cpu_count() + 1)') --dist worksteal $(ARGS)

check: .venv/installed-dev ## Check formatting, lint, types, templates, migrations and the HTML that is served
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/djlint --quiet --lint templates
	$(BIN)/python -m tests.check_migrations
	$(BIN)/python -m tests.check_html

format: .venv/installed-dev ## Format the Python code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what make made; instance/, the shop's data, stays
	rm -rf .venv .cache *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Crumb needs Python 3.11 or later. Name one with: make PYTHON=python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'This Python lacks venv. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/made pyproject.toml constraints.txt
	@echo 'Installing into .venv …'
	@$(PIP_INSTALL) --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	@echo 'Installing the tools for tests and checks into .venv …'
	@$(PIP_INSTALL) --editable '.[dev,postgres]'
	@touch $@
