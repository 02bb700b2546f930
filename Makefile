# `make demo` and `make test` set up what they need; everything else assumes nothing either.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready

# Hundreds of processes of the tests load the engine: it is compiled once, also where the environment says never.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help dev demo test check fmt lint type cases pytest browser docs drift wheel-check lambda bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt
	@scripts/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

dev: $(STAMP) ## create the environment in .venv

demo: $(STAMP) ## gate and scan the simulated organization, and write the reports
	@$(BIN)/python scripts/demo.py

test: $(STAMP) ## everything: format, lint, types, controls, tests
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory --jobs 2 pytest type cases

check: test drift wheel-check ## what CI runs

fmt: $(STAMP) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

type: $(STAMP)
	$(BIN)/mypy

cases: $(STAMP)
	$(BIN)/modelwarden lint
	$(BIN)/modelwarden test

# A process that crashed ends the run: pytest-xdist 3.8 waits forever once it has given the files of a crashed one to another.
pytest: $(STAMP) browser
	$(BIN)/pytest -q -n 3 --dist loadfile --max-worker-restart 0

browser:
	@scripts/browser.sh

docs: $(STAMP) ## regenerate what is generated from code
	$(BIN)/python scripts/generate.py

drift: $(STAMP) ## fail if a generated file differs from the code
	$(BIN)/python scripts/generate.py --check

wheel-check: $(STAMP) ## build the wheel, install it elsewhere, compare its controls with the repository
	@scripts/wheel_check.sh "$(PYTHON)"

lambda: $(STAMP) ## build the code of the functions, dist/lambda-arm64.zip; LAMBDA_PYTHON=/path/to/python3.13 compiles it
	$(BIN)/python scripts/build_lambda.py --python $(or $(LAMBDA_PYTHON),python3.13)

bench: $(STAMP) ## ratios against a bare script and bare cedarpy
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/evaluate.py

clean: ## remove everything that the other targets made
	rm -rf $(VENV) build dist demo-out .cache .modelwarden .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info engine/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
