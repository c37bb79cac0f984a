# Day-to-day commands; `just` alone lists them. All use the virtual environment of `make venv`.

set positional-arguments

bin := ".venv/bin"

_list:
    @just --list --unsorted

# all tests, on two cores (STRICT=1: a missing system program is a failure)
test:
    make test

# one test, file or folder, stopping at the first failure: just one tests/quality_test.py -k mypy
one *args: _venv
    {{ bin }}/pytest -x "$@"

# what ruff and the floors have to say
lint: _venv
    {{ bin }}/ruff check
    {{ bin }}/ruff format --check
    {{ bin }}/lint-imports --no-cache

# put every Python file into shape, and mend what ruff can mend
fmt: _venv
    {{ bin }}/ruff check --fix
    {{ bin }}/ruff format

# the type checker over everything
types: _venv
    {{ bin }}/mypy

# write modules/ anew from the services' definitions
modules: _venv
    {{ bin }}/holo modules modules

# write anew what is generated in docs/: the page of diagnostics, the schema, the README's picture
docs: _venv
    {{ bin }}/python scripts/docs.py
    {{ bin }}/holo schema > docs/fleet.schema.json
    {{ bin }}/holo graph examples/mixed/fleet.yaml --output docs/images/mixed.svg

# measure `holo compile` up to 100,000 containers, some minutes; write bench/compile.md
bench: _venv
    {{ bin }}/python bench/compile.py > bench/compile.md

# measure forwards by every engine, some minutes, as root; write bench/forward.md
bench-forward: _venv
    {{ bin }}/python bench/forward.py > bench/forward.md

# measure labs, some minutes, as root; write bench/lab.md
bench-lab: _venv
    {{ bin }}/python bench/lab.py > bench/lab.md

# measure machines of tests, some ten minutes, as root; write bench/vmtests.md
bench-vmtests: _venv
    {{ bin }}/python -P bench/vmtests.py > bench/vmtests.md # -P: it has the name of a package

# measure stacks of Pulumi, many minutes; write bench/pulumi.md
bench-pulumi: _venv
    PYTHONPATH=. {{ bin }}/python -P bench/pulumi.py > bench/pulumi.md # -P: as above

# the tests of `holo deploy` on Pulumi's real engine, which is built first where it is not there
engine: _venv
    make engine
    {{ bin }}/pytest -m engine tests

# the project at work on this computer
demo:
    make demo

# resolve requirements.lock from pyproject.toml; pins stay unless asked: just lock --upgrade
lock *args:
    #!/usr/bin/env bash
    set -euo pipefail
    tools=$(mktemp -d)
    trap 'rm -rf "$tools"' EXIT
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check pip-tools==7.6.2
    # No option, index or machine path gets into the file: pip's own configuration has them.
    CUSTOM_COMPILE_COMMAND="just lock" "$tools/bin/pip-compile" --quiet --no-config \
        --extra dev --build-deps-for editable --allow-unsafe --strip-extras \
        --generate-hashes --no-emit-options --no-emit-index-url \
        --output-file requirements.lock "$@" pyproject.toml

# remove .venv, caches and what was built
clean:
    make clean

_venv:
    @make --no-print-directory --quiet venv
