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

S ?= scenarios/seed/leader-kill.yaml
DIRS ?= controls faults queue seed
N ?= 10000
ARGS ?=
NAME ?=
SCENARIOS = $(sort $(foreach dir,$(DIRS),$(wildcard scenarios/$(dir)/*.yaml)))
FINDINGS := $(sort $(basename $(notdir $(wildcard scenarios/findings/*.yaml))))

# make bench NAME=...: bench/bench_NAME.py
BENCHES := checkers faults queue quorum report rest
BENCHES_WITH_ENGINE := faults queue quorum rest

# make prove NAME=...: the program, and how it takes N
PROOFS := false-alarms files oracle planted wire years
PROGRAM_false-alarms = tests/property/false_alarms.py $(N)
PROGRAM_files = tests/property/damaged_files.py $(N)
PROGRAM_oracle = tests/property/oracle_rates.py $(N)
PROGRAM_planted = tests/controls/gallery.py
PROGRAM_wire = tests/property/wire_rates.py $(N)
PROGRAM_years = tests/property/years_rates.py

# $(call one_of,NAMES): NAME, if it is one of them; else make stops and lists them
one_of = $(if $(filter $(NAME),$1),$(NAME),$(error make $@: expected NAME=one of: $1; got NAME=$(NAME)))

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Run

.PHONY: run
run: $(READY) ## The main job: 500 items through the queue while the leader is killed and wiped; a verdict
	@$(HARNESS) run scenarios/seed/leader-kill.yaml $(ARGS)

.PHONY: scenario
scenario: $(READY) ## One scenario: make scenario S=scenarios/seed/priority.yaml
	@$(HARNESS) run $(S) $(ARGS)

.PHONY: scenarios
scenarios: $(READY) ## All scenarios of some folders: make scenarios DIRS="long rest" ARGS=--seed=7
	@$(HARNESS) run $(SCENARIOS) $(ARGS)

.PHONY: finding
finding: $(READY) ## Show a bug of real ZooKeeper, and its twins without it: make finding NAME=zookeeper-4925
	@$(HARNESS) run scenarios/findings/$(call one_of,$(FINDINGS)).yaml \
	  $(sort $(wildcard scenarios/findings/$(NAME)-*.yaml)) $(ARGS)

##@ Judge: do the tests and the checkers find what is wrong?

.PHONY: controls
controls: $(READY) ## Run what is broken on purpose; each must be found, for the right reason
	@PYTHONPATH=tests $(BIN)/python $(PROGRAM_planted)
	@$(HARNESS) run $(sort $(wildcard scenarios/controls/*.yaml)) $(ARGS)
	@REQUIRE_ALL=1 $(BIN)/pytest -m docker tests/controls/test_quorum_mutants.py

.PHONY: prove
prove: $(READY) ## Long checks without Docker: make prove NAME=oracle N=20000 ARGS="--mix crashes"
	@PYTHONPATH=tests $(BIN)/python $(PROGRAM_$(call one_of,$(PROOFS))) $(ARGS)

.PHONY: mutants
mutants: $(READY) ## Mutation testing of the queue's core and of the checkers: make mutants N=300 ARGS="--seed 1"
	@$(BIN)/python tests/controls/mutation_sample.py --count $(N) $(ARGS)

##@ Look: a quorum by hand

.PHONY: up
up: $(READY) ## Start a quorum and leave it up
	@$(HARNESS) up $(ARGS)

.PHONY: status
status: $(READY) ## Show the quorums that are up: nodes, roles, addresses
	@$(HARNESS) status

.PHONY: logs
logs: $(READY) ## Print the servers' logs of the quorum that is up
	@$(HARNESS) logs $(ARGS)

.PHONY: down
down: $(READY) ## Remove the quorum that `up` started
	@$(HARNESS) down

.PHONY: clean
clean: $(READY) ## Remove what killed runs left: containers, networks, volumes, rules, processes
	@$(HARNESS) clean $(ARGS)

##@ Develop

.PHONY: test
test: lint unit integration ## All that a change must pass: lint, unit tests, tests on a real quorum

.PHONY: test-all
test-all: lint unit ## `test`, and the slow tests
	@.ci/chromium
	@$(ENGINE)
	@REQUIRE_ALL=1 $(BIN)/pytest -m "docker or slow or browser" $(ARGS)

.PHONY: unit
unit: $(READY) ## Tests that need no Docker: unit, property, controls, repository
	@REQUIRE_ALL=1 $(BIN)/pytest -m "not docker and not slow and not browser" $(ARGS)

.PHONY: integration
integration: $(READY) ## Tests on a real quorum and in a real browser; none may be skipped
	@.ci/chromium
	@$(ENGINE)
	@REQUIRE_ALL=1 $(BIN)/pytest -m "(docker or browser) and not slow" $(ARGS)

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
