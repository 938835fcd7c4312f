# `make demo` and `make test` do everything; `make quick` runs the tests that are quick. Each makes .venv first.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2
# Tests that share a costly fixture stay in one process (tests/conftest.py says which), and slow ones come last.
SHARED := -n $(JOBS) --dist loadgroup --no-loadscope-reorder
# One thread per process, and every file compiled once, also where the environment says to write no bytecode.
ONCE := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=

.PHONY: demo test quick lint types unit format docs check-python check-pango clean

demo: $(STAMP)
	$(BIN)/auditor demo image --out demo-out

test: $(STAMP) lint types unit

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(ONCE) $(BIN)/pytest $(SHARED) --durations=10

quick: $(STAMP)
	$(ONCE) $(BIN)/pytest $(SHARED) --durations=10 -m "not slow"

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)
	$(BIN)/python docs/generate.py

$(STAMP): pyproject.toml constraints.txt | check-python check-pango
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed: on Debian 'apt-get install python3 python3-venv', elsewhere python.org; or name one with 'make PYTHON=python3.12'."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is needed: on Debian 'apt-get install python3-venv'."; exit 1; }

check-pango:
	@$(PYTHON) -c 'import ctypes.util, sys; sys.exit(not all(map(ctypes.util.find_library, ("pango-1.0", "pangoft2-1.0"))))' || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing Pango, which the PDF needs"; apt-get update -qq && apt-get install -y -qq libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 >/dev/null; \
	else \
	  echo "Pango is needed for the PDF: on Debian 'sudo apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0', on macOS 'brew install pango'."; exit 1; fi

clean:
	rm -rf $(VENV) demo-out demo-hiring audit-out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
