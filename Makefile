# Each target sets up all it needs: a virtual environment in .venv with the tested versions.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready
PYTEST  = $(BIN)/python -m pytest $(PYTEST_FLAGS)

.PHONY: help demo test lint check bench faults full clean

help:              ## these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/: .*##/:/' | column -t -s:

demo: $(READY)     ## tune an MLP on handwritten digits: about a minute
	$(BIN)/orchestune run digits_mlp

test: $(READY)     ## the tests, on real Ray where they say so
	$(PYTEST) -m "not ray and not faults" -n logical --maxprocesses 8 $(if $(REPORTS),--junitxml=$(REPORTS)/units.xml)
	$(PYTEST) -m "ray and not faults" $(if $(REPORTS),--junitxml=$(REPORTS)/ray.xml)

lint: $(READY)     ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test   ## lint, types, tests: what CI runs

bench: $(READY)    ## measure, for an hour; rewrites benchmarks/results/
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	for script in trial_cost start efficiency time_to_accuracy memory suggestion_cost scale search_quality head_storage speed_up; do $(BIN)/python -m benchmarks.$$script || exit 1; done

faults: $(READY)   ## the long tests: drivers and workers killed again and again, more of a cluster, a language model
	$(PYTEST) -m faults --timeout=1800

full: check faults bench  ## everything

clean:             ## remove what the targets made; runs/ stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "orchestune needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
