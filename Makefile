# Everything happens in .venv; each stamp is renewed when the requirements change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REQUIREMENTS := setup.cfg constraints.txt pyproject.toml
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# One thread a process: the tests run in two processes, and results must not depend on the count.
ONE_THREAD := OMP_NUM_THREADS=1 FLOWFA_THREADS=1 MPLBACKEND=Agg
# Both builds of the pages read them once.
DOCTREES := docs/_build/doctrees
# pyright runs on the node of PATH from the files inside its wheel; ask nobody for newer ones.
PYRIGHT := PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

.PHONY: demo test test-nightly test-site soak lint format docs gallery bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/flowfa simulate --rule fa --width 100 --overwrite

test: $(VENV)/.installed-dev
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(PYTEST_ARGUMENTS)

# Slow tests too, and other random problems each time: see tests/README.md.
test-nightly: $(VENV)/.installed-dev
	HYPOTHESIS_PROFILE=nightly $(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGUMENTS)

# The built pages in a real browser, without a network; left out where there is no chromium.
test-site: docs $(VENV)/.installed-dev
	FLOWFA_SITE=docs/_build/html $(ONE_THREAD) $(BIN)/python -m pytest -n 0 tests/documentation $(PYTEST_ARGUMENTS)

# The long part of tests/robustness/: see docs/laboratory/reliability.md.
soak: $(VENV)/.installed-dev
	FLOWFA_SOAK=1 $(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal tests/robustness $(PYTEST_ARGUMENTS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PYRIGHT)

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-docs
	$(ONE_THREAD) $(BIN)/python -m sphinx -W --keep-going -q -d $(DOCTREES) -b html docs docs/_build/html
	$(ONE_THREAD) $(BIN)/python -m sphinx -W --keep-going -q -d $(DOCTREES) -b doctest docs docs/_build/doctest

# Every example of docs/gallery with its figure; make docs runs the quickest ones only.
gallery: $(VENV)/.installed-docs
	FLOWFA_GALLERY=all $(ONE_THREAD) $(BIN)/python -m sphinx -W --keep-going -q -b html \
		docs docs/_build/html

bench: $(VENV)/.installed
	@set -e; for file in benchmarks/[!_]*.py; do \
		test -e "$$file" || { echo "no benchmarks yet"; exit 0; }; \
		echo "$$file"; $(BIN)/python "$$file"; \
	done

clean:
	rm -rf docs/_build docs/auto_gallery docs/reference/api/generated build dist .pytest_cache \
		.ruff_cache .hypothesis *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(REQUIREMENTS) | $(BIN)/python
	$(PIP_INSTALL) -e .
	touch $@

$(VENV)/.installed-dev: $(REQUIREMENTS) | $(BIN)/python
	$(PIP_INSTALL) -e '.[dev]'
	touch $@

$(VENV)/.installed-docs: $(REQUIREMENTS) | $(BIN)/python
	$(PIP_INSTALL) -e '.[docs]'
	touch $@
