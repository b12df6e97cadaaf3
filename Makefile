.DEFAULT_GOAL := help
.PHONY: help setup run serve test lint types format lock clean

PYTHON_IN_VENV := .venv/bin/python
KEEP ?=

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv with Python 3.13 and the locked packages; every other target does it by itself.
	@infra/local/setup.sh

run: setup ## Play two days of a Spot fleet through the tracker on this machine, no cloud account needed (KEEP=1: leave it running).
	@exec $(PYTHON_IN_VENV) -m infra.local run $(if $(KEEP),--keep)

serve: setup ## Serve the tables of the last run, to query them with bq.
	@exec $(PYTHON_IN_VENV) -m infra.local serve

test: setup ## Run all tests.
	@$(PYTHON_IN_VENV) -m pytest $(ARGS)

lint: setup ## Check style and formatting.
	@$(PYTHON_IN_VENV) -m ruff check
	@$(PYTHON_IN_VENV) -m ruff format --check

types: setup ## Check types.
	@$(PYTHON_IN_VENV) -m mypy

format: setup ## Format the code.
	@$(PYTHON_IN_VENV) -m ruff check --fix
	@$(PYTHON_IN_VENV) -m ruff format

lock: ## Pin the newest allowed versions of all packages (needs uv).
	uv pip compile --quiet --upgrade --universal --python-version 3.13 --generate-hashes --no-header --no-emit-index-url \
	  requirements/functions.in --output-file functions/requirements.txt
	uv pip compile --quiet --upgrade --universal --python-version 3.13 --generate-hashes --no-header --no-emit-index-url \
	  --constraint functions/requirements.txt requirements/development.in --output-file requirements/development.txt

clean: ## Delete what the other targets made: .venv, .local and caches.
	rm -rf .venv .local .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
