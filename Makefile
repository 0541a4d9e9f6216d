# Everything CI and developers do here. `make help` lists it; `make run` is the main job.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
S ?= scenarios/seed/leader-kill.yaml
RUN ?= runs/latest
ARGS ?=
SEED_SCENARIOS := $(sort $(wildcard scenarios/seed/*.yaml))
CONTROL_SCENARIOS := $(sort $(wildcard scenarios/controls/*.yaml))

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(READY) ## The main job: 500 items through the queue while the leader is killed and wiped
	@$(BIN)/harness run scenarios/seed/leader-kill.yaml $(ARGS)

.PHONY: scenario
scenario: $(READY) ## Run one scenario: make scenario S=scenarios/seed/priority.yaml
	@$(BIN)/harness run $(S) $(ARGS)

.PHONY: seed
seed: $(READY) ## Run the original's tests, one after the other
	@$(BIN)/harness run $(SEED_SCENARIOS) $(ARGS)

.PHONY: check
check: $(READY) ## Judge a run again: make check RUN=runs/latest
	@$(BIN)/harness check $(RUN)

.PHONY: test
test: lint unit integration ## All that a change must pass: lint, unit tests, tests on the real quorum

.PHONY: test-all
test-all: lint unit ## `test`, the slow tests too
	@$(BIN)/python -m cluster.engine
	@REQUIRE_DOCKER=1 $(BIN)/pytest -m "docker or slow" $(ARGS)

.PHONY: unit
unit: $(READY) ## Tests that need no Docker: unit, property, controls, repository
	@$(BIN)/pytest -m "not docker and not slow" $(ARGS)

.PHONY: integration
integration: $(READY) ## Tests on a real quorum
	@$(BIN)/python -m cluster.engine
	@REQUIRE_DOCKER=1 $(BIN)/pytest -m "docker and not slow" $(ARGS)

.PHONY: controls
controls: $(READY) ## Run what is broken on purpose; each must be found, for the right reason
	@$(BIN)/harness run $(CONTROL_SCENARIOS) $(ARGS)

.PHONY: lint
lint: $(READY) ## Format check, ruff, mypy strict
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

.PHONY: fmt
fmt: $(READY) ## Format the code and mend what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: up
up: $(READY) ## Start a quorum by hand and leave it up
	@$(BIN)/harness up $(ARGS)

.PHONY: down
down: $(READY) ## Remove the quorum that `up` started
	@$(BIN)/harness down

.PHONY: status
status: $(READY) ## Show the quorums that are up: nodes, roles, addresses
	@$(BIN)/harness status

.PHONY: logs
logs: $(READY) ## Print the servers' logs of the quorum that is up
	@$(BIN)/harness logs $(ARGS)

.PHONY: clean
clean: $(READY) ## Remove what killed runs left: containers, networks, volumes, rules, processes
	@$(BIN)/harness clean $(ARGS)

.PHONY: bench
bench: $(READY) ## The queue beside kazoo's queues and the bare ZooKeeper limit, as ratios
	@$(BIN)/python -m cluster.engine
	@$(BIN)/python bench/bench_queue.py $(ARGS)

.PHONY: bench-report
bench-report: $(READY) ## Build and open the report of a million operations: time, memory, size
	@$(BIN)/python bench/bench_report.py $(ARGS)

.PHONY: bench-quorum
bench-quorum: $(READY) ## Time from nothing to a ready quorum, against five plain JVM processes
	@$(BIN)/python -m cluster.engine
	@$(BIN)/python bench/bench_quorum.py $(ARGS)

.PHONY: lock
lock: $(READY) ## Pin the dependencies anew after a change of pyproject.toml
	@$(BIN)/pip install -q uv
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --extra dev --generate-hashes \
	  --no-header --no-emit-index-url pyproject.toml -o requirements.lock

$(READY): requirements.lock pyproject.toml
	@.ci/venv $(PYTHON) $(VENV)
	@touch $@
