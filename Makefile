.DEFAULT_GOAL := help
.PHONY: help setup run serve report plan deploy destroy test faults bench scan catalog-check lint types format lock clean

# Dozens of processes import the same files: without compiled ones a quarter of the tests' time goes into compiling.
unexport PYTHONDONTWRITEBYTECODE

PYTHON_IN_VENV := .venv/bin/python
KEEP ?=
DRY_RUN ?=
ONLY ?=
CATALOG ?=
PROJECT ?=
COMPILE := uv pip compile --quiet --upgrade --universal --python-version 3.13 --generate-hashes --no-header --no-emit-index-url

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv with Python 3.13 and the locked packages; every other target does it by itself.
	@infra/local/setup.sh

run: setup ## Play two days of a Spot fleet on this machine, no cloud account needed (KEEP=1: leave it running; DRY_RUN=1: stop nothing).
	@exec $(PYTHON_IN_VENV) -m infra.local run $(if $(KEEP),--keep) $(if $(DRY_RUN),--dry-run)

serve: setup ## Serve the tables of the last run, to query them with bq.
	@exec $(PYTHON_IN_VENV) -m infra.local serve

report: setup ## Write the report over the tables of the last run to .local/report.html.
	@exec $(PYTHON_IN_VENV) -m infra.local report

plan: ## Show what deploying would change (PROJECT=my-project-1, else that of infra/terraform.tfvars).
	@infra/deploy.sh plan $(PROJECT)

deploy: ## Deploy to a project, or upgrade what is there.
	@infra/deploy.sh deploy $(PROJECT)

destroy: ## Take spotkeeper out of a project; its data stays unless delete_data is set.
	@infra/deploy.sh destroy $(PROJECT)

test: setup ## Run all tests.
	@$(PYTHON_IN_VENV) -m pytest $(ARGS)

faults: setup ## Let every call of both functions fail in every way, and tell how it ends (ARGS=--help: what else).
	@$(PYTHON_IN_VENV) -m tests.faults $(ARGS)

bench: setup ## Measure how fast the product is and compare with its limits (ONLY=prices: one bench).
	@$(PYTHON_IN_VENV) -m tests.bench $(ONLY)

scan: ## Scan Terraform and the locked packages, and write a bill of materials to .local/sbom.json.
	@infra/local/scan.sh

catalog-check: setup ## Fail when the price catalog sells what cannot be priced (CATALOG=FILE: a saved one, else Google's).
	@$(PYTHON_IN_VENV) -m spotkeeper catalog-check $(if $(CATALOG),--catalog '$(CATALOG)')

lint: setup ## Check style and formatting.
	@$(PYTHON_IN_VENV) -m ruff check
	@$(PYTHON_IN_VENV) -m ruff format --check

types: setup ## Check types.
	@$(PYTHON_IN_VENV) -m mypy

format: setup ## Format the code.
	@$(PYTHON_IN_VENV) -m ruff check --fix
	@$(PYTHON_IN_VENV) -m ruff format

lock: ## Pin the newest allowed versions of all packages (needs uv).
	$(COMPILE) requirements/functions.in --output-file functions/requirements.txt
	$(COMPILE) --constraint functions/requirements.txt requirements/development.in --output-file requirements/development.txt
	$(COMPILE) requirements/scanners.in --output-file requirements/scanners.txt

clean: ## Delete what the other targets made: .venv, .local and caches.
	rm -rf .venv .venv-scanners .local .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
