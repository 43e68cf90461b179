# Every daily act, the same on every machine: `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# make demo ONCE=1 ends by itself; REGISTER=path takes a real register; SEED=7 plays another year.
DEMO := $(if $(filter-out 0,$(ONCE)),--once) $(if $(REGISTER),--register "$(REGISTER)") \
	$(if $(SEED),--seed $(SEED))

# Every process would compile all of our modules again: the platform has many, and the tests start them often.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo up test bad-days model lint format types chaos bench scale capacity docs lock clean

help: ## list these acts
	@echo "Aspire: type make and one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## install into .venv what requirements.lock names, checked by hash

demo: $(INSTALLED) ## play a programme year and stay up (ONCE=1, REGISTER=path, SEED=number)
	$(BIN)/aspire demo $(DEMO)

up: $(INSTALLED) ## start everything, going on with the data that are there
	$(BIN)/aspire up

# In the order of the folders: files that take long come before the many quick ones of tests/unit,
# so that both processes end at the same time.
PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test: $(INSTALLED) ## run the tests, on real PostgreSQL and Kafka (ARGS="-k word")
	$(PYTEST) -m "not bad_day" $(ARGS)

bad-days: $(INSTALLED) ## run those of servers lost or restored, killed processes, races (ARGS)
	$(PYTEST) -m bad_day $(ARGS)

model: $(INSTALLED) ## try the kernel in any order of steps (STEPS=10000, SEED=number)
	ASPIRE_MODEL_STEPS=$(or $(STEPS),10000) ASPIRE_MODEL_SEED=$(or $(SEED),$(shell date +%s)) \
		$(BIN)/pytest --numprocesses 2 -rA tests/conformance/test_model.py

lint: $(INSTALLED) ## check style, format and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(INSTALLED) ## put the sources into their form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(INSTALLED) ## check the types
	$(BIN)/mypy

chaos: $(INSTALLED) ## kill processes under load, then look for differences (KILLS=50, SEED=1, KEEP=1)
	$(BIN)/python -m tests.chaos --kills $(or $(KILLS),50) --seed $(or $(SEED),1) $(if $(KEEP),--keep)

bench: $(INSTALLED) ## measure beside references, in fifteen minutes (RUNS=5, EVENTS=240000, GROWTH=1000000, ONLY=relay)
	$(BIN)/python -m benchmarks $(if $(RUNS),--runs $(RUNS)) $(if $(EVENTS),--events $(EVENTS)) $(if $(GROWTH),--growth $(GROWTH)) $(addprefix --only ,$(ONLY))

scale: $(INSTALLED) ## measure what more replicas bring, and a rolling restart (MINUTES=5, ONLY=restart)
	$(BIN)/python -m benchmarks.scaling $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only $(ONLY))

capacity: $(INSTALLED) ## write docs/capacity.md from what was measured
	$(BIN)/python -m benchmarks.capacity

docs: $(INSTALLED) ## write what is generated of docs: events, schemas, AsyncAPI, OpenAPI
	$(BIN)/python -m deploy.docs

lock: $(INSTALLED) ## renew both lock files from pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --all-extras pyproject.toml -o requirements.lock
	echo "# What the image installs: no embedded servers, no tools for development; setuptools builds" \
		"the package." > requirements.runtime.lock
	echo "setuptools>=80" | $(BIN)/uv pip compile --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --quiet \
		--constraints requirements.lock pyproject.toml - >> requirements.runtime.lock

clean: ## remove the environment, the caches and the data of the instance in .aspire
	@if [ -x $(BIN)/aspire ]; then ASPIRE_HOME=.aspire $(BIN)/aspire down; fi
	rm -rf $(VENV) .aspire .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache \
		build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp for the whole environment: it is made again when what it should hold has changed.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Aspire needs Python 3.11 or later, and $(PYTHON) is" \
			"$$($(PYTHON) --version 2>&1 || echo not there)." \
			"Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation -e .
	@touch $@
