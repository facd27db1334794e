# fluxctl: set up, run, test and measure. Everything lives in $(VENV); nothing is installed outside it
# (except python3-venv by apt-get when the machine lacks it and we are root).
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
SETUP := PYTHON="$(PYTHON)" tools/setup-venv "$(VENV)"
# One more than the cores of the hosted CI: instances that start and end wait much of the time.
WORKERS ?= 3
# A file's tests share an instance. Files in their order: the last ones, tests/unit, are the quickest,
# so no worker is left with much to do alone.
BALANCED := --dist loadfile --no-loadscope-reorder
ROUNDS ?= 200
MINUTES ?= 20
SEED ?=
FAULTS ?=
ECOSYSTEM := $(VENV)-ecosystem
TESTS ?=

.PHONY: install dev demo test unit coverage ecosystem peer faults check style types contracts pages bench screenshots docs clean
.DEFAULT_GOAL := install

install: $(VENV)/.stamp-install

dev: $(VENV)/.stamp-dev

# The stamps make a second `make` instant; they go stale when the dependencies change.
$(VENV)/.stamp-install: pyproject.toml tools/setup-venv
	$(SETUP) .
	@touch $@

$(VENV)/.stamp-dev: pyproject.toml tools/setup-venv
	$(SETUP) ".[test,check]"
	@touch $@ $(VENV)/.stamp-install

demo: install
	$(BIN)/python examples/demo.py

# Parallel first, then what must have the machine to itself: live instances compared with recordings, figures.
# The few that fail among the others are run once more, alone, and are named then (docs/decisions/alone.md).
test: dev
	$(BIN)/python -m tests.alone -n $(WORKERS) $(BALANCED) -- tests --ignore=tests/contract --ignore=tests/docs
	$(BIN)/python -m tests.alone -- tests/contract

unit: dev
	$(BIN)/python -m pytest -q tests/unit

# What runs in the process of the tests: brokers and commands that system tests start are not seen.
coverage: dev
	$(BIN)/python -m pytest -q -n $(WORKERS) $(BALANCED) --cov --cov-report= \
		--cov-report=json:.coverage.json tests/unit tests/property tests/console
	$(BIN)/python -m tests.coverage_floor .coverage.json

# Programs of others that use Flux, from the registry, with this project beside them; writes docs/ecosystem.md.
# FLUX_CORE=/prefix runs them on a flux-core instead: TESTS="-k parsl" some of them.
ecosystem: dev
	$(BIN)/python -m tests.ecosystem.environment $(ECOSYSTEM)
	ECOSYSTEM_ENVIRONMENT=$(ECOSYSTEM) FLUX_CORE=$(FLUX_CORE) $(BIN)/python -m pytest -q -n $(WORKERS) \
		tests/ecosystem $(TESTS)
	$(BIN)/python -m docs.ecosystem

# Our commands and the dashboard on a real flux-core: make peer FLUX_CORE=/prefix (tests/peer).
peer: dev
	FLUX_CORE=$(FLUX_CORE) $(BIN)/python -m pytest -q tests/peer $(TESTS)

# Hours of kills, full disks and nonsense (tests/faults/README.md): make faults ROUNDS=20 SEED=1 FAULTS="fuzz history"
faults: dev
	$(BIN)/python -m tests.faults --rounds $(ROUNDS) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(FAULTS)

# Most of these take one core: two at once.
check: dev
	$(MAKE) --no-print-directory -j2 -Otarget pages style types contracts

style: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: dev
	$(BIN)/mypy

contracts: dev
	$(BIN)/lint-imports --no-cache

pages: dev
	$(BIN)/python -m tests.alone -n 2 $(BALANCED) -- tests/docs

bench: dev
	$(BIN)/python -m bench.run_all

screenshots: dev
	$(BIN)/python -m tui.screenshots screenshots
	$(BIN)/python -m tui.pictures.story screenshots/session.svg

docs: dev
	$(BIN)/python docs/generate.py
	$(BIN)/python -m docs.manual
	$(BIN)/python docs/topics.py
	$(BIN)/python docs/attributes.py
	$(BIN)/python docs/api.py
	$(BIN)/python docs/diagrams.py
	$(BIN)/python docs/job_submit_fields.py
	$(BIN)/python docs/coverage.py
	$(BIN)/python -m docs.ecosystem
	$(BIN)/python -m tests.contract.report

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
