# `make demo` and `make test` need Python 3.11, make and git; everything else is installed here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/cpu.txt
READY := $(VENV)/.ready
PEERS := $(VENV)-peers
KUBERNETES := $(VENV)-kubernetes

.PHONY: demo test test-cron test-slurm test-kubernetes test-real bench chaos faults fuzz lint format lock clean help

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(READY): $(LOCK) requirements/uv.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "hexcast needs Python 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install -q --require-hashes -r requirements/uv.txt
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync -q --compile-bytecode --require-hashes $(LOCK)
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install -q --no-deps --no-build-isolation -e .
	touch $@

$(PEERS)/.ready: requirements/peers.txt $(READY)  # what benchmarks measure beside ours
	test -x $(PEERS)/bin/python || $(BIN)/python -m venv --without-pip $(PEERS)
	VIRTUAL_ENV=$(CURDIR)/$(PEERS) $(BIN)/uv pip sync -q --compile-bytecode --require-hashes requirements/peers.txt
	touch $@

$(KUBERNETES)/.ready: requirements/kubernetes.txt tests/build_control_plane.sh | $(READY)
	test -x $(KUBERNETES)/bin/python || $(BIN)/python -m venv --without-pip $(KUBERNETES)
	VIRTUAL_ENV=$(CURDIR)/$(KUBERNETES) $(BIN)/uv pip sync -q --require-hashes requirements/kubernetes.txt
	nice tests/build_control_plane.sh $(KUBERNETES)
	touch $@

demo: $(READY)  ## simulate the demo city and run its night
	$(BIN)/hexcast demo

test: lint  ## lint, types, import rule, tests
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-real: $(READY)  ## the slow runs on the real cities (HEXCAST_DATA)
	$(BIN)/pytest -m real --timeout 1500

bench: $(PEERS)/.ready  ## measure everything, beside others, into benchmarks/RESULTS.md (BENCH: arguments)
	$(BIN)/python benchmarks/run.py $(BENCH)

chaos: $(READY)  ## kill nights at random, KILLS times (200), and compare what is left
	$(BIN)/python tests/chaos.py --kills $(or $(KILLS),200)

test-cron: $(READY)  ## two nights under a real cron daemon (root; Debian's cron)
	$(BIN)/pytest -m cron

test-slurm: $(READY)  ## nights as jobs of a real SLURM on this machine (root; Debian's SLURM)
	$(BIN)/pytest -m slurm

test-kubernetes: $(KUBERNETES)/.ready  ## nights on a real control plane, which is compiled first (five minutes; Debian 12)
	$(BIN)/pytest -m kubernetes

faults: $(READY)  ## break a cluster in the middle of nights, in every way
	$(BIN)/pytest -s -m faults --timeout 300

fuzz: $(READY)  ## feed dirt to the readers for MINUTES (30)
	$(BIN)/python tests/fuzz.py --minutes $(or $(MINUTES),30)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(READY)  ## resolve the dependencies again, with hashes and without addresses
	./requirements/lock.sh $(BIN)/uv

clean:  ## forget the environment and the demo's output
	rm -rf $(VENV) $(PEERS) $(KUBERNETES) var
