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
N ?= 10000
SEED_SCENARIOS := $(sort $(wildcard scenarios/seed/*.yaml))
CONTROL_SCENARIOS := $(sort $(wildcard scenarios/controls/*.yaml))
CI_SCENARIOS := $(sort $(wildcard scenarios/controls/*.yaml scenarios/seed/*.yaml scenarios/queue/*.yaml \
  scenarios/faults/*.yaml))
LONG_SCENARIOS := $(sort $(wildcard scenarios/rest/*.yaml scenarios/findings/*.yaml scenarios/long/*.yaml))

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-29s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(READY) ## The main job: 500 items through the queue while the leader is killed and wiped
	@$(BIN)/harness run scenarios/seed/leader-kill.yaml $(ARGS)

.PHONY: scenario
scenario: $(READY) ## Run one scenario: make scenario S=scenarios/seed/priority.yaml
	@$(BIN)/harness run $(S) $(ARGS)

.PHONY: seed
seed: $(READY) ## Run the original's tests, one after the other
	@$(BIN)/harness run $(SEED_SCENARIOS) $(ARGS)

.PHONY: scenarios
scenarios: $(READY) ## Each fault, the queue under faults, the original's tests, the controls: make scenarios ARGS=--seed=7
	@$(BIN)/harness run $(CI_SCENARIOS) $(ARGS)

.PHONY: scenarios-long
scenarios-long: $(READY) ## What CI has no time for: ten minutes of everything, upgrades over three releases, HTTP, the findings
	@$(BIN)/harness run $(LONG_SCENARIOS) $(ARGS)

.PHONY: finding-wiped-member-votes
finding-wiped-member-votes: $(READY) ## Real ZooKeeper: a wiped member votes, acknowledged writes are gone; and two twins that keep them
	@$(BIN)/harness run $(sort $(wildcard scenarios/findings/wiped-member-votes*.yaml)) $(ARGS)

.PHONY: finding-zookeeper-4925
finding-zookeeper-4925: $(READY) ## Real ZooKeeper 3.9.3: one server serves half the items for good; and its twin on 3.9.6
	@$(BIN)/harness run $(sort $(wildcard scenarios/findings/zookeeper-4925*.yaml)) $(ARGS)

.PHONY: finding-stale-empty
finding-stale-empty: $(READY) ## Real ZooKeeper: an isolated leader says that a full queue is empty (ZOOKEEPER-1675)
	@$(BIN)/harness run scenarios/findings/stale-empty.yaml $(ARGS)

.PHONY: finding-zookeeper-4394
finding-zookeeper-4394: $(READY) ## Real ZooKeeper 3.8.0: a follower that comes back under load fails on a null pointer
	@$(BIN)/harness run scenarios/findings/zookeeper-4394.yaml $(ARGS)

.PHONY: check
check: $(READY) ## Judge a run again: make check RUN=runs/latest
	@$(BIN)/harness check $(RUN)

.PHONY: test
test: lint unit integration ## All that a change must pass: lint, unit tests, tests on the real quorum

.PHONY: test-all
test-all: lint unit chromium ## `test`, the slow tests too
	@$(BIN)/python -m cluster.engine.engine
	@REQUIRE_ALL=1 $(BIN)/pytest -m "docker or slow or browser" $(ARGS)

.PHONY: unit
unit: $(READY) ## Tests that need no Docker: unit, property, controls, repository
	@REQUIRE_ALL=1 $(BIN)/pytest -m "not docker and not slow and not browser" $(ARGS)

.PHONY: integration
integration: $(READY) chromium ## Tests on a real quorum, and of pages in a real browser; none may be skipped
	@$(BIN)/python -m cluster.engine.engine
	@REQUIRE_ALL=1 $(BIN)/pytest -m "(docker or browser) and not slow" $(ARGS)

.PHONY: chromium
chromium: ## Install the browser that the tests of pages use, where there is none (Debian, root)
	@.ci/chromium

.PHONY: controls
controls: $(READY) gallery ## Run what is broken on purpose; each must be found, for the right reason
	@$(BIN)/harness run $(CONTROL_SCENARIOS) $(ARGS)
	@REQUIRE_ALL=1 $(BIN)/pytest -m docker tests/controls/test_quorum_mutants.py

.PHONY: gallery
gallery: $(READY) ## The controls that need no Docker: found / planted, of queues, histories, checkers
	@PYTHONPATH=tests $(BIN)/python tests/controls/gallery.py

.PHONY: check-checkers
check-checkers: $(READY) ## Checkers against the exhaustive oracle: make check-checkers N=10000 (in each mix) ARGS="--mix crashes"
	@PYTHONPATH=tests $(BIN)/python tests/property/oracle_rates.py $(N) $(ARGS)

.PHONY: mutants
mutants: $(READY) ## Mutation testing of the queue's core and of the judge, by mutmut: make mutants N=300 ARGS="--seed 1"
	@$(BIN)/python tests/controls/mutation_sample.py --count $(N) $(ARGS)

.PHONY: fuzz-wire
fuzz-wire: $(READY) ## Real clients on real sockets under everything: make fuzz-wire N=100000 (items put)
	@PYTHONPATH=tests $(BIN)/python tests/property/wire_rates.py $(N) $(ARGS)

.PHONY: check-false-alarms
check-false-alarms: $(READY) ## All checkers on simulated runs of a correct queue: make check-false-alarms N=100000
	@PYTHONPATH=tests $(BIN)/python tests/property/false_alarms.py $(N) $(ARGS)

.PHONY: fuzz-files
fuzz-files: $(READY) ## Damaged scenario files, histories and results: make fuzz-files N=10000 (of each kind)
	@PYTHONPATH=tests $(BIN)/python tests/property/damaged_files.py $(N) $(ARGS)

.PHONY: years
years: $(READY) ## Five years of use in virtual time, whether anything grows: make years ARGS=12 (months)
	@PYTHONPATH=tests $(BIN)/python tests/property/years_rates.py $(ARGS)

.PHONY: lint
lint: $(READY) ## Format check, ruff, mypy strict, who may import whom
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache

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
	@$(BIN)/python -m cluster.engine.engine
	@$(BIN)/python bench/bench_queue.py $(ARGS)

.PHONY: bench-table
bench-table: $(READY) ## Write what `make bench` measured into docs/queue.md
	@$(BIN)/python bench/table.py

.PHONY: bench-rest
bench-rest: $(READY) ## The gateway beside kazoo in its own process: requests a second, as ratios
	@$(BIN)/python -m cluster.engine.engine
	@$(BIN)/python bench/bench_rest.py $(ARGS)

.PHONY: bench-report
bench-report: $(READY) ## Build and open the report of a million operations: time, memory, size
	@$(BIN)/python bench/bench_report.py $(ARGS)

.PHONY: bench-checkers
bench-checkers: $(READY) ## All checkers on 10^4 to 10^7 operations: time, memory, growth
	@$(BIN)/python bench/bench_checkers.py $(ARGS)

.PHONY: bench-faults
bench-faults: $(READY) ## Time from a trigger to its effect: kill, pause, a partition of five nodes
	@$(BIN)/python -m cluster.engine.engine
	@$(BIN)/python bench/bench_faults.py $(ARGS)

.PHONY: bench-quorum
bench-quorum: $(READY) ## Time from nothing to a ready quorum, against five plain JVM processes
	@$(BIN)/python -m cluster.engine.engine
	@$(BIN)/python bench/bench_quorum.py $(ARGS)

.PHONY: lock
lock: $(READY) ## Pin the dependencies anew after a change of pyproject.toml
	@$(BIN)/pip install -q uv
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --extra dev --generate-hashes \
	  --no-header --no-emit-index-url pyproject.toml -o requirements.lock

$(READY): requirements.lock pyproject.toml
	@.ci/venv $(PYTHON) $(VENV)
	@touch $@
