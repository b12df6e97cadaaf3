.DEFAULT_GOAL := help
.PHONY: help setup setup-demo run try serve report plan deploy destroy test test-stack test-emulators fuzz simulate-enforcer simulate-steering simulate-tracker focus grafana dbt faults bench scan catalog-check lint types format lock clean

# Dozens of processes import the same files: without bytecode files a quarter of the tests' time is spent compiling.
unexport PYTHONDONTWRITEBYTECODE

PYTHON_IN_VENV := .venv/bin/python
# The files whose tests use the local stack of the session, by the name of its fixture (tests/conftest.py).
STACK_TESTS := $(shell grep -lwE 'stack|make_enforcer' tests/adapters/test_*.py tests/entry/test_*.py)
LONG_TESTS := $(STACK_TESTS) tests/dashboards/test_load.py tests/end_to_end tests/faults \
  tests/infra/test_accepted_values.py tests/infra/test_demo_packages.py tests/infra/test_refusals.py \
  tests/infra/test_terraform.py tests/infra/test_wheel.py tests/report/test_browser.py tests/report/test_labels.py \
  tests/simulation/enforcer/test_model.py tests/simulation/steering tests/simulation/tracker \
  tests/simulation/work tests/sql/test_deployed_views.py tests/sql/test_month_of_work.py tests/stack tests/trial
KEEP ?=
DRY_RUN ?=
VERBOSE ?=
OPEN ?=
ONLY ?=
CATALOG ?=
PROJECT ?=
DAYS ?=
BUDGET ?=
LABEL ?=
# How a switch is set to no.
NO := 0 no n false off
yes = $(filter-out $(NO),$(1))
# What local-bigquery and rich name as needed, and the demo does not use: 350 MB (infra/local/bigquery/absent.py).
NOT_IN_DEMO := fastavro google-cloud-bigquery-storage mini-racer numpy prompt-toolkit pyarrow pygments wcwidth
COMPILE := uv pip compile --quiet --upgrade --universal --python-version 3.13 --generate-hashes --no-header --no-emit-index-url

##@ Try and use

help: ## List the targets.
	@awk -F ':.*## ' '\
	  /^##@ / {print (n++ ? "\n" : "") substr($$0, 5)} \
	  /^[a-z-]+:.*## / {line = sprintf("  make %-18s", $$1); count = split($$2, words, " "); \
	    for (at = 1; at <= count; at++) { \
	      if (length(line) + 1 + length(words[at]) > 80) {print line; line = sprintf("%25s", "")} \
	      line = line " " words[at]} \
	    print line}' $(MAKEFILE_LIST)

setup-demo: ## Create .venv with what `make run`, `make try` and the command line need, a third of `make setup`.
	@infra/local/setup.sh demo

run: setup-demo ## Demo of a Spot fleet on this machine, without a cloud account (KEEP=1: keep it running; DRY_RUN=1: stop no VM; VERBOSE=1: every table; OPEN=0: open no browser).
	@exec $(PYTHON_IN_VENV) -m infra.local run $(if $(call yes,$(KEEP)),--keep) $(if $(call yes,$(DRY_RUN)),--dry-run) $(if $(call yes,$(VERBOSE)),--verbose) $(if $(filter $(NO),$(OPEN)),,--open)

try: setup-demo ## What the Spot VMs of your projects cost: reads with your login, writes nothing (PROJECT=a,folders/1 DAYS=7 BUDGET=1000 LABEL=experiment=e1).
	@exec $(PYTHON_IN_VENV) -m infra.local.trial --projects '$(PROJECT)' $(if $(DAYS),--days '$(DAYS)') $(if $(BUDGET),--budget '$(BUDGET)') $(if $(LABEL),--label '$(LABEL)')

serve: setup-demo ## Serve the tables of the last demo for queries with bq.
	@exec $(PYTHON_IN_VENV) -m infra.local serve

report: setup-demo ## Write the report of the last demo to .local/report.html.
	@exec $(PYTHON_IN_VENV) -m infra.local report

plan: ## Show what a deployment would change (PROJECT=my-project-1; default: that of infra/root/terraform.tfvars).
	@infra/deploy.sh plan $(PROJECT)

deploy: ## Deploy to a project, or upgrade an existing deployment.
	@infra/deploy.sh deploy $(PROJECT)

destroy: ## Remove spotkeeper from a project; its data stays unless delete_data is set.
	@infra/deploy.sh destroy $(PROJECT)

catalog-check: setup-demo ## Fail when the price catalog sells what cannot be priced (CATALOG=FILE: a saved catalog).
	@$(PYTHON_IN_VENV) -m spotkeeper catalog-check $(if $(CATALOG),--catalog '$(CATALOG)')

clean: ## Delete generated files: .venv, .local and caches.
	rm -rf .venv .venv-dbt .venv-focus .venv-scanners .venv-uv .local .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Develop

setup: ## Create .venv with everything for development; the other targets create what they need.
	@infra/local/setup.sh development

test: setup ## Run the tests of the product that need no local stack (ARGS: options of pytest).
	@$(PYTHON_IN_VENV) -m pytest $(addprefix --ignore=,$(LONG_TESTS) tests/emulators tests/focus tests/grafana tests/dbt) $(ARGS)

test-stack: setup ## Run the long tests: the whole stack, statements and views on the local BigQuery, a browser, Terraform's plans, injected faults, simulations.
	@$(PYTHON_IN_VENV) -m pytest $(LONG_TESTS) $(ARGS)

test-emulators: setup ## Run the tests of the emulators and of the local BigQuery.
	@$(PYTHON_IN_VENV) -m pytest tests/emulators $(ARGS)

fuzz: setup ## Run the property tests with 500 random examples each; `make test` draws 25.
	@$(PYTHON_IN_VENV) -m pytest -m hypothesis --hypothesis-profile fuzz --timeout 3600 $(ARGS)

simulate-enforcer: setup ## Run 1,000 random lives of a fleet against the enforcer (ARGS='--lives N --seed S': others).
	@$(PYTHON_IN_VENV) -m tests.simulation.enforcer $(if $(ARGS),$(ARGS),--lives 1000 --seed 1001)

simulate-steering: setup ## Play months of a fleet and its late bill beside a controller that knows the future (ARGS=--help: others).
	@$(PYTHON_IN_VENV) -m tests.simulation.steering $(if $(ARGS),$(ARGS),--months 200 --disturbed 60)

simulate-tracker: setup ## Compare the tracker's records with worlds of 500 VMs over 72 hours (ARGS=--help: others).
ifdef ARGS
	@$(PYTHON_IN_VENV) -m tests.simulation.tracker $(ARGS)
else
	@$(PYTHON_IN_VENV) -m tests.simulation.tracker
	@$(PYTHON_IN_VENV) -m tests.simulation.tracker --through-adapters --world everything --vms 40 --long-lived 10 --hours 16
endif

focus: setup ## Check the view focus_costs with the validator of the FinOps Foundation (needs Python 3.12).
	@infra/local/focus.sh
	@$(PYTHON_IN_VENV) -m pytest tests/focus $(ARGS)

grafana: setup ## Check the Grafana dashboard with the types and the code that Grafana publishes (needs npm, else says so).
	@infra/local/grafana.sh; case $$? in 0) $(PYTHON_IN_VENV) -m pytest tests/grafana $(ARGS);; 3) ;; *) exit 1;; esac

dbt: setup ## Check the package for dbt with dbt itself: parse it, compile its tests.
	@infra/local/dbt.sh
	@$(PYTHON_IN_VENV) -m pytest tests/dbt $(ARGS)

faults: setup ## Inject every fault into every call of both functions and print the results (ARGS=--help: more ways).
	@$(PYTHON_IN_VENV) -m tests.faults $(ARGS)

bench: setup ## Measure speed and memory and compare them with the limits (ONLY=prices: one bench).
	@$(PYTHON_IN_VENV) -m tests.bench $(ONLY)

scan: ## Scan Terraform and the locked packages; write a bill of materials to .local/sbom.json.
	@infra/local/scan.sh

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
	$(COMPILE) --constraint requirements/development.txt $(NOT_IN_DEMO:%=--no-emit-package %) requirements/demo.in --output-file requirements/demo.txt
	$(COMPILE) requirements/scanners.in --output-file requirements/scanners.txt
	$(subst --universal --python-version 3.13,--python-version 3.12,$(COMPILE)) requirements/focus.in --output-file requirements/focus.txt
	$(COMPILE) requirements/dbt.in --output-file requirements/dbt.txt
	$(COMPILE) requirements/bootstrap.in --output-file requirements/bootstrap.txt
