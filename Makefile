# `make` lists the targets. Everything is installed into .venv, at the versions in constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# What Python has compiled is kept, whatever the environment says: each of several processes reads it.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses $$($(BIN)/python -c 'import os; print(os.cpu_count() + 1)') --dist worksteal
TEXTS := --input-file .cache/messages.pot --output-dir shop/locale --width 110

.DEFAULT_GOAL := help
.PHONY: help setup run test test-postgres check bench bench-full format languages language screenshots clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

setup: .venv/installed ## Install what the shop needs to run

# No free memory kept for each thread by the C library: a server has many, most of which wait.
run bench bench-full: export GLIBC_TUNABLES := glibc.malloc.tcache_count=0

# What is measured begins as a shop does: from compiled files.
bench bench-full: export PYTHONDONTWRITEBYTECODE :=

run: .venv/installed ## Serve the shop; CATALOGUE=export.csv sells what that file holds
	@exec $(BIN)/shop serve $${CATALOGUE:+--catalogue "$$CATALOGUE"}

test: .venv/installed-dev ## Run all tests; ARGS="-k cart" picks some
	@$(BIN)/python -m tests.chromium
	@$(BIN)/python -m tests.postgres
	@$(BIN)/python -m tests.nginx
	@$(BIN)/python -m tests.caddy
	$(PYTEST) $(ARGS)

test-postgres: .venv/installed-dev ## Run the tests that have a database on PostgreSQL; of the browser's two stories
	@$(BIN)/python -m tests.chromium
	@$(BIN)/python -m tests.postgres
	$(PYTEST) --postgresql --ignore tests/pages/test_users_cookie.py --ignore tests/pages/test_docs.py \
		--ignore tests/pages/test_standby.py \
		tests/domain tests/pages tests/browser/test_buying.py tests/browser/test_finding.py $(ARGS)

check: .venv/installed-dev ## Check formatting, lint, types, templates, migrations, translations and the HTML that is served
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/djlint --quiet --lint templates
	$(BIN)/python -m tests.check_migrations
	$(BIN)/python -m tests.check_languages
	$(BIN)/python -m tests.check_counts
	$(BIN)/python -m tests.check_html

bench: .venv/installed-dev ## Measure the shop beside a bare Flask view, in under five minutes
	@$(BIN)/python -m bench

bench-full: .venv/installed-dev ## The same; growth to a million products; imports; other servers; profiles. Takes half an hour
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.growth
	@$(BIN)/python -m bench.imports
	@$(BIN)/python -m bench.servers
	@$(BIN)/python -m bench.profiles

format: .venv/installed-dev ## Format the Python code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

languages: .cache/messages.pot ## Bring the texts of the code into every messages.po
	$(BIN)/pybabel --quiet update $(TEXTS) --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date

language: .cache/messages.pot ## Start another translation: make language LANGUAGE=de
	@echo '$(LANGUAGE)' | grep --extended-regexp --quiet '^[a-z]{2,3}$$' || \
		{ echo 'Name a language by its code: make language LANGUAGE=de' >&2; exit 1; }
	@test ! -e shop/locale/$(LANGUAGE) || { echo 'There is shop/locale/$(LANGUAGE) already' >&2; exit 1; }
	$(BIN)/pybabel --quiet init $(TEXTS) --locale $(LANGUAGE)

screenshots: .venv/installed-dev ## Picture the demo shop's main states into docs/screenshots/
	@$(BIN)/python -m tests.chromium
	$(BIN)/python -m tests.screenshots

clean: ## Remove what make made; instance/, the shop's data, stays
	rm -rf .venv .cache *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The texts of the code, to compare with: it is made anew each time.
.PHONY: .cache/messages.pot
.cache/messages.pot: .venv/installed-dev
	@mkdir -p $(@D)
	@$(BIN)/pybabel --quiet extract --mapping-file pyproject.toml --no-location --sort-output \
		--header-comment '# Translations template for PROJECT: see "Languages" in README.md.' \
		--project Crumb --output-file $@ shop templates

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
