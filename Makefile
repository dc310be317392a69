# Every target says in one line what it does; `make help` lists them. Debian or Ubuntu, root or sudo.
SHELL := /bin/bash
PYTHON := .venv/bin/python
READY := .venv/.ready
UV := .venv/bin/uv
PYTEST := $(PYTHON) -m pytest -q
# Python compiles each module once, also where it is set to forget: tests start some hundred processes.
export PYTHONDONTWRITEBYTECODE :=
# Tests on nodes spend most of their time waiting for them: two files at once. (Not virtual machines: emulated, each wants all.)
NODES := $(PYTEST) -n 2 --dist loadfile
# Tests that need no node run side by side, each file in one process: what takes long to make for it is made once. Folders
# with long files come first, that no process is left alone with one in the end.
SIDE_BY_SIDE := -n auto --dist loadfile --no-loadscope-reorder
FAST := $(wildcard tests/roles tests/integration tests/golden tests/property tests/contract tests/unit)
SCENARIOS := $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml))
E2E :=

.DEFAULT_GOAL := help
.PHONY: help setup setup-vm setup-vagrant setup-browser quickstart test unit test-fast test-oldest test-newest lock lint e2e bench molecule clean

help: ## list the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(READY) ## install what is missing: system packages, .venv with pykubeadm and its tools
$(READY): pyproject.toml requirements-dev.lock tools/setup.sh
	@tools/setup.sh
	@touch $@

setup-vm setup-vagrant setup-browser: setup-%: ## install what virtual machines, Vagrant's, or tests in a browser need besides
	@tools/setup.sh $*

quickstart: $(READY) ## start a node, make a cluster on it with `pykubeadm init`, show it
	@$(PYTHON) -m lab.quickstart

test: test-fast ## run the tests: without nodes, Molecule's whole preparation, end to end where Kubernetes' binaries are present
	@$(MAKE) --no-print-directory molecule-prepare
	$(NODES) -m "not long" tests/e2e

unit: $(READY) ## run the unit tests, within a minute
	$(PYTEST) $(SIDE_BY_SIDE) tests/unit

test-fast: $(READY) ## run the tests that need no node
	$(PYTEST) $(SIDE_BY_SIDE) $(FAST)

test-oldest: $(READY) ## run the tests that need no node with the oldest Python and dependencies that pyproject.toml allows
	$(call TEST_WITH,3.11,lowest-direct)

test-newest: $(READY) ## run the tests that need no node with the newest dependencies that pyproject.toml allows
	$(call TEST_WITH,$(PYTHON),highest)

# An environment of its own, made again each time: $(1) the Python, $(2) which of the releases.
define TEST_WITH
$(UV) venv --quiet --no-config --clear --seed --python $(1) .venv-$(@:test-%=%)
$(UV) pip install --quiet --no-config --python .venv-$(@:test-%=%) --resolution $(2) --editable '.[test]'
.venv-$(@:test-%=%)/bin/python -m pytest -q $(SIDE_BY_SIDE) $(FAST)
endef

lock: $(READY) ## take the newest tools and dependencies into requirements-dev.lock, and run the tests that need no node
	$(UV) pip compile --quiet --no-config --upgrade --universal --python-version 3.11 --generate-hashes --extra dev --custom-compile-command 'make lock' --output-file requirements-dev.lock pyproject.toml
	@$(MAKE) --no-print-directory test-fast

lint: $(READY) ## check style, types, layers, YAML and roles
	@$(PYTHON) -m tools.lint

e2e: $(READY) $(if $(filter vm,$(E2E)),setup-vm) ## run the end-to-end tests, or one kind: make e2e E2E=init (downloads Kubernetes where missing); E2E=vm: minutes
	PYKUBEADM_E2E_DOWNLOAD=1 $(if $(filter vm,$(E2E)),PYKUBEADM_E2E_VM=1 $(PYTEST),$(NODES)) $(if $(E2E),$(wildcard tests/e2e/test_$(E2E)*.py),tests/e2e)

bench: $(READY) ## measure pykubeadm beside kubeadm
	@$(PYTHON) -m tests.bench

molecule: $(READY) $(patsubst %,molecule-%,$(filter-out vagrant%,$(SCENARIOS))) ## run every Molecule scenario on Docker nodes, or one: make molecule-NAME (molecule-vagrant: a virtual machine, minutes)
molecule-vagrant molecule-vagrant-cluster: setup-vagrant
molecule-%: $(READY)
	@$(PYTHON) -m lab.engine
	@$(PYTHON) -m lab.scenario skip $* || PATH=$(CURDIR)/.venv/bin:$$PATH molecule test --scenario-name $*

clean: ## remove the lab's nodes and network, build products and test caches (downloads and images stay)
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m lab.clean; fi
	@rm -rf build dist .mypy_cache .mypy_lab_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis $(READY)
	@find . -path './.venv*' -prune -o -type d \( -name __pycache__ -o -name '*.egg-info' \) -print0 | xargs -0 rm -rf
