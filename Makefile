# The whole developer interface. Each target does its own set-up on a machine that has only
# Python 3.10-3.13 (with venv), a C++ compiler (the kernels, and hnswlib for tests, are built from source) and make.
#
# Packages come from the locks in requirements/ (names, versions, hashes; pip refuses anything else) and from the
# package index that pip is configured for. PYTHON=python3.12 picks another interpreter for a new .venv.

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
INSTALL := $(PIP) install --no-build-isolation --require-hashes
CODE := $(wildcard chroma_search tests demo benchmarks)
PROSE := $(wildcard *.md docs .ci/run Makefile pyproject.toml)

export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export ANONYMIZED_TELEMETRY := False

.DEFAULT_GOAL := help
.PHONY: help demo test check crash bench lock clean distclean

help:
	@echo "make demo    search a small real collection: dense, BM25, hybrid, filtered, explained"
	@echo "make test    all tests, two at a time (JOBS=0: one after the other; ARGS='-k rrf -x' is passed to pytest)"
	@echo "make check   ruff, pyright, import contracts, codespell"
	@echo "make bench   benchmarks (BENCH=kernels for one; DATA=folder of measurement data, see benchmarks/README.md)"
	@echo "make crash   kill a thousand writing processes and count what was lost (ARGS='--kills 5000 --seed 1')"
	@echo "make lock    resolve pyproject.toml again and rewrite requirements/*.lock"
	@echo "make clean   remove caches and build outputs; make distclean removes $(VENV) too"

demo: $(VENV)/.set-up-run
	@$(BIN)/python demo/run.py $(ARGS)

test: $(VENV)/.set-up-dev
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(VENV)/.set-up-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/pyright -p tests
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell $(CODE) $(PROSE)

crash: $(VENV)/.set-up-dev
	@$(BIN)/python -m tests.crash.run $(ARGS)

# Each benchmark is a folder with a run.py that takes --data and leaves raw figures under its results/.
bench: $(VENV)/.set-up-bench
	@found=; for script in $(wildcard benchmarks/$(or $(BENCH),*)/run.py); do \
	  found=1; echo "== $$script"; $(BIN)/python $$script $(if $(DATA),--data "$(DATA)") $(ARGS) || exit 1; \
	done; [ -n "$$found" ] || { echo "no benchmarks/$(or $(BENCH),*)/run.py"; exit 1; }

# --- set-up: one stamp per lock; a bigger lock holds all of a smaller one in the same versions ------------------------

KERNELS := setup.py $(wildcard chroma_search/kernels/cpp/*)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	  || { echo "Python 3.10 to 3.13 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@command -v c++ g++ clang++ >/dev/null || { echo "A C++ compiler is needed, to build the kernels (Debian: g++)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# $(1): lock, $(2): seconds it took on two cores with an empty pip cache, $(3): smaller locks that it covers.
define set_up
	@echo "Setting up $(VENV) from requirements/$(1).lock, once (about $(2) s) ..."
	@$(INSTALL) -r requirements/build.lock
	@$(INSTALL) -r requirements/$(1).lock
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $(foreach each,$(1) $(3),$(VENV)/.set-up-$(each))
endef

$(VENV)/.set-up-run: requirements/build.lock requirements/run.lock pyproject.toml $(KERNELS) | $(BIN)/python
	$(call set_up,run,90)

$(VENV)/.set-up-dev: requirements/build.lock requirements/dev.lock pyproject.toml $(KERNELS) | $(BIN)/python
	$(call set_up,dev,160,run)

$(VENV)/.set-up-bench: requirements/build.lock requirements/bench.lock pyproject.toml $(KERNELS) | $(BIN)/python
	$(call set_up,bench,170,dev run)

# --- locks ------------------------------------------------------------------------------------------------------------

# One lock holds for Python 3.10 to 3.13 and all platforms (environment markers). Each is resolved under the versions of
# the one before, so that they agree. UV_PIP_ARGS='--upgrade' takes newer versions; without it, what is locked stays.
COMPILE := $(VENV)-lock/bin/uv pip compile pyproject.toml -q --universal --python-version 3.10 --generate-hashes \
  --no-header --no-annotate --no-emit-index-url $(UV_PIP_ARGS)

TESTED := --extra server --extra otel

lock:
	@[ -x $(VENV)-lock/bin/uv ] || { $(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip install -q uv; }
	$(COMPILE) -o requirements/run.lock
	$(COMPILE) --extra server -c requirements/run.lock -o requirements/server.lock
	$(COMPILE) $(TESTED) -c requirements/server.lock --group dev -o requirements/dev.lock
	$(COMPILE) $(TESTED) -c requirements/dev.lock --group dev --group bench -o requirements/bench.lock
	$(subst pip compile pyproject.toml,pip compile,$(COMPILE)) -c requirements/run.lock --group pyproject.toml:build \
	  -o requirements/build.lock

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) $(VENV)-lock chroma_search/kernels/*.so
