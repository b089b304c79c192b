# Everything that this project does, from nothing: `make sweep` to use it, `make test` to test it.
# Works with GNU make 4.3 and any POSIX shell. Packages come from wherever pip is told to look.

PYTHON ?= python3
SWEEP := digits
TRIALS := 20
# Two files at a time; tests of one file stay in one process and share what they set up.
PYTEST := -n 2 --dist loadfile
# Those that measure speed; benchmarks/README.md says what each is for and names the others.
BENCHMARKS := peers epoch roofline overhead breakdown memory page
BENCH :=

VENV := .venv
BIN := $(VENV)/bin
SOURCES := tuner tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help install sweep test soak check lint bench docs image-check clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1 /p' $(firstword $(MAKEFILE_LIST)) | \
	while read -r target text; do printf '  make %-11s %s\n' "$$target" "$$text"; done

install: $(VENV)/.installed ## create .venv and install tuner into it

sweep: $(VENV)/.installed ## find digits configurations that meet the targets (SWEEP=… TRIALS=…)
	$(BIN)/tuner sweep $(SWEEP) --trials $(TRIALS)

test: $(VENV)/.installed-dev ## run the tests (PYTEST=… for options of pytest)
	$(BIN)/python -m pytest $(PYTEST)

soak: $(VENV)/.installed-dev ## run the long forms of tests (minutes)
	$(BIN)/python -m pytest -n 2 -m soak

check: lint ## lint, types and the quick tests
	$(BIN)/python -m pytest -q -m "not slow and not browser and not soak"

lint: $(VENV)/.installed-dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev ## run the benchmarks (BENCH=--quick; most need TUNER_DATA_DIR)
	@found=no; for name in $(BENCHMARKS); do file=benchmarks/$$name.py; \
	  [ -f "$$file" ] || continue; found=yes; \
	  echo "$$file"; $(BIN)/python "$$file" $(BENCH) || exit 1; \
	done; [ $$found = yes ] || echo "benchmarks/ holds nothing to run."

docs: $(VENV)/.installed-dev ## write the generated pages of docs/ again
	$(BIN)/python -m tuner.cli.reference docs

image-check: ## build the Docker image and try it (needs root and buildah; minutes)
	@docker/image_check.sh

clean: ## remove .venv, caches and builds; studies and runs stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(wildcard $(SOURCES)) -name __pycache__ -prune -exec rm -rf {} +

# The stamps: nothing is installed again until one of these two files changes.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { \
	  found=$$($(PYTHON) --version 2>&1) || found="not there"; \
	  echo "tuner needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is $$found."; \
	  echo "Name another one: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; } >&2
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -c 'import pip' 2>/dev/null || $(PYTHON) -m venv $(VENV)
	@echo "Installing tuner and what it needs into $(VENV): once, a minute or more, 3 GB."
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@
