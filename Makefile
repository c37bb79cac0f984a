# The commands that everyone needs, with nothing but make and Python 3.11: `make help`.
# The day-to-day ones are in the justfile.

PYTHON ?= python3
# More arguments for pytest: make test ARGS='-k allocate'
ARGS ?=
# A file on one worker: its machines run one after the other, for the kernel limits file watchers.
PYTEST := .venv/bin/pytest -n 2 --dist loadfile

# STRICT=1: a missing system program fails the run instead of leaving its tests out.
ifeq ($(STRICT),1)
export HOLO_STRICT := 1
endif

.PHONY: help test demo venv system-packages engine clean

help: ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 24

test: system-packages engine ## run all tests (STRICT=1: fail where a system program is missing)
	$(PYTEST) $(ARGS)

demo: system-packages venv ## show the project at work on this computer
	.venv/bin/python scripts/demo.py

venv: .venv/installed ## make .venv from requirements.lock, with this project in it

system-packages: ## install the system programs that tests use, or say which are missing
	@scripts/system-packages

engine: venv ## build Pulumi's engine from source, once, in some ten minutes; kept outside of the tree
	@scripts/pulumi-engine >/dev/null || { \
	    echo "Pulumi's engine: not built, and without it the tests of deploying are left out"; \
	    [ "$(STRICT)" != 1 ]; }

clean: ## remove .venv, caches and what was built
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
	find . -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# Two stamps: a change of settings in pyproject.toml does not install everything anew.
.venv/locked: requirements.lock
	$(PYTHON) -m venv --clear .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

.venv/installed: .venv/locked pyproject.toml
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@
