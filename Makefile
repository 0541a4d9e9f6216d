# Everything that people and CI do here; `make help` lists it. A wrong NAME lists the names.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ENGINE := $(BIN)/python -m cluster.engine.engine
HARNESS := $(BIN)/harness
# -n: more tests side by side than two cores need, since each waits for over half of its time
PYTEST := REQUIRE_ALL=1 $(BIN)/pytest --durations=10

MAIN := scenarios/seed/leader-kill.yaml
S ?= $(MAIN)
# make test SLOW=1: the slow tests too
SLOW ?=
FASTER = $(if $(SLOW),,and not slow)
# Tests start many programs; without bytecode each of them compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE
# What takes longest stands first
DIRS ?= seed faults queue controls
# Scenarios run side by side, but for those that need the machine, or its hosts, alone
WORKERS ?= $(if $(filter hosts long,$(DIRS)),,auto)
N ?= 10000
ARGS ?=
NAME ?=
SCENARIOS = $(foreach dir,$(DIRS),$(sort $(wildcard scenarios/$(dir)/*.yaml)))
FINDINGS := $(sort $(basename $(notdir $(wildcard scenarios/findings/*.yaml))))

# make bench NAME=...: bench/bench_NAME.py
BENCHES := campaign celery checkers faults queue quorum report rest shim
BENCHES_WITH_ENGINE := celery faults queue quorum rest shim

# make prove NAME=...: the program, and how it takes N
PROOFS := false-alarms files mutants oracle planted wire years
PROGRAM_false-alarms = tests/proofs/false_alarms.py $(N)
PROGRAM_files = tests/proofs/damaged_files.py $(N)
PROGRAM_mutants = tests/proofs/mutation_sample.py --count $(N)
PROGRAM_oracle = tests/proofs/oracle_rates.py $(N)
PROGRAM_planted = tests/proofs/gallery.py
PROGRAM_wire = tests/proofs/wire_rates.py $(N)
PROGRAM_years = tests/proofs/years_rates.py

# $(call one_of,NAMES): NAME, if it is one of them; else make stops and lists them
one_of = $(if $(filter $(NAME),$1),$(NAME),$(error make $@: expected NAME=one of: $1; got NAME=$(NAME)))

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Run

.PHONY: run
run: $(READY) ## One scenario, the main one unless told; a verdict: make run S=scenarios/seed/priority.yaml
	@$(HARNESS) run $(S) $(ARGS)
	@$(if $(filter $(MAIN),$(S)),cat .ci/next.txt)

.PHONY: scenarios
scenarios: $(READY) ## All scenarios of some folders, side by side: make scenarios DIRS=rest ARGS=--seed=7 WORKERS=3
	@$(HARNESS) run $(SCENARIOS) $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

.PHONY: finding
finding: $(READY) ## Show a bug of real ZooKeeper, and its twins without it: make finding NAME=zookeeper-4925
	@$(HARNESS) run scenarios/findings/$(call one_of,$(FINDINGS)).yaml \
	  $(sort $(wildcard scenarios/findings/$(NAME)-*.yaml)) $(ARGS)

##@ Judge: do the tests and the checkers find what is wrong?

.PHONY: controls
controls: $(READY) ## Run what is broken on purpose; each must be found, for the right reason
	@PYTHONPATH=tests $(BIN)/python $(PROGRAM_planted)
	@$(HARNESS) run $(sort $(wildcard scenarios/controls/*.yaml)) $(ARGS)
	@$(PYTEST) -m docker tests/controls/test_quorum_mutants.py

.PHONY: prove
prove: $(READY) ## Long checks without Docker: make prove NAME=oracle N=20000 ARGS="--mix crashes"
	@PYTHONPATH=tests $(BIN)/python $(PROGRAM_$(call one_of,$(PROOFS))) $(ARGS)

.PHONY: damage
damage: $(READY) ## What releases do with damaged files, as a table: make damage ARGS="--releases 3.9.6"
	@$(ENGINE)
	@PYTHONPATH=tests $(BIN)/python tests/proofs/damage_table.py $(ARGS)

##@ Look: a quorum by hand

.PHONY: up
up: $(READY) ## Start a quorum and leave it up
	@$(HARNESS) up $(ARGS)

.PHONY: down
down: $(READY) ## Remove the quorum that `up` started
	@$(HARNESS) down

.PHONY: clean
clean: $(READY) ## Remove what killed runs left: containers, networks, volumes, rules, processes
	@$(HARNESS) clean $(ARGS)

##@ Develop

.PHONY: test
test: lint ## All that a change must pass, and which tests took longest; SLOW=1: the slow ones too
	@$(PYTEST) -n 4 -m "not docker and not browser $(FASTER)" $(ARGS)
	@.ci/chromium
	@$(ENGINE)
	@$(PYTEST) -n 3 -m "(docker or browser) $(FASTER)" $(ARGS)

.PHONY: test-fast
test-fast: $(READY) ## Unit tests and rules of this repository that start no program and wait for nothing
	@$(PYTEST) -n 3 -m "not medium and not slow" tests/unit tests/repo $(ARGS)

.PHONY: lint
lint: $(READY) ## Format check, ruff, mypy strict, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache

.PHONY: fmt
fmt: $(READY) ## Format the code and mend what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: wheel
wheel: $(READY) ## Build the wheel and the sdist into dist/
	@$(BIN)/python -m hatchling build

.PHONY: lock
lock: $(READY) ## Pin the dependencies anew after a change of pyproject.toml
	@$(BIN)/pip install -q uv
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --extra dev --generate-hashes \
	  --no-header --no-emit-index-url pyproject.toml -o requirements.lock

##@ Measure

.PHONY: bench
bench: NAME := $(or $(NAME),queue)
bench: $(READY) ## Time one part, as ratios to a baseline: make bench NAME=rest ARGS="--rounds 5"
	@$(if $(filter $(NAME),$(BENCHES_WITH_ENGINE)),$(ENGINE))
	@$(BIN)/python bench/bench_$(call one_of,$(BENCHES)).py $(ARGS)

$(READY): requirements.lock pyproject.toml
	@.ci/venv $(PYTHON) $(VENV)
	@touch $@
