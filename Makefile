# `make demo` and `make test` are all that a newcomer needs; both make .venv if it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# One process a core; who is through takes tests from who is not.
WORKERS := --numprocesses=auto --dist=worksteal

.PHONY: demo test suite test-long lint bench bounds clean

demo: $(VENV)/.cli
	$(BIN)/backpass train digits

test: $(VENV)/.dev  # side by side
	$(MAKE) --no-print-directory --jobs=2 lint suite

suite: $(VENV)/.dev
	$(BIN)/pytest $(WORKERS) -m "not long"

test-long: $(VENV)/.dev
	$(BIN)/pytest $(WORKERS) -m long

lint: $(VENV)/.dev
	$(BIN)/ruff format --check src tests
	$(BIN)/ruff check src tests
	$(BIN)/lint-imports
	$(BIN)/mypy

bounds: $(VENV)/.dev  # the tests of everything that compiles, with every index checked
	NUMBA_BOUNDSCHECK=1 $(BIN)/pytest $(WORKERS) -m "not long" tests/engine tests/layers tests/losses tests/fusions tests/optimizers

bench: $(VENV)/.bench  # an hour on two cores, with nothing else running
	$(BIN)/backpass bench fusion
	$(BIN)/backpass bench train --json bench/results/train.json
	$(BIN)/backpass bench calls --json bench/results/calls.json
	$(BIN)/backpass bench start --json bench/results/start.json
	$(BIN)/backpass bench memory --json bench/results/memory.json
	$(BIN)/backpass bench busy --json bench/results/busy.json
	$(BIN)/backpass bench growth --json bench/results/growth.json --picture docs/pictures/growth.png

# One file a set of extras says that it is installed; pyproject.toml is what it depends on.
$(VENV)/.cli $(VENV)/.dev $(VENV)/.bench: $(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable ".[$*]"
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) runs
