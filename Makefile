# demo   real studies through a node of their own; results in build/demo/
# run    a node in the foreground: HTTP 8042, DICOM 4242, storage in ./var
# test   every test                    check  format, lint, types, spelling, structure
# bench  the benchmarks                setup  what all of these need; each stamp below says what is done
# models a reduced retraining of each model; results in build/models/
# viewer OHIF for /orthogen/ohif/, from its npm package, into build/viewer
# lock   requirements.lock anew        clean  removes what was built; never ./var, which holds images

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SUFFIXES:

PYTHON ?= python3
# Most tests wait for a node rather than compute; those of one file share theirs.
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder
DEBIAN_PACKAGES := orthanc orthanc-python orthanc-dicomweb dcmtk python3-venv
VIEWER_PACKAGES := npm
TEST_PACKAGES := chromium chromium-driver iproute2 orthanc-postgresql postgresql

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEBIAN := build/setup/debian
BROWSER := build/setup/browser
VENV := .venv/setup/venv
LIBRARIES := .venv/setup/libraries
STUBS := .venv/setup/stubs
ORTHOGEN := .venv/setup/orthogen
TRAINING := .venv/setup/training

.PHONY: viewer demo run test check bench models setup lock clean

demo: setup
	@$(BIN)/orthogen demo

run: setup
	@exec $(BIN)/orthogen up --config orthanc.json --storage var

test: setup $(BROWSER) $(TRAINING)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: setup
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python -m pytest -q tests/test_structure.py

bench: setup
	@shopt -s nullglob
	for file in bench/[a-z]*.py; do
	    echo "== $$file"
	    $(BIN)/python -m "bench.$$(basename "$$file" .py)"
	done

models: setup $(TRAINING)
	@for file in training/*/reduced.py; do
	    name=$$(basename "$$(dirname "$$file")")
	    echo "== $$file"
	    $(BIN)/python -m "training.$$name.reduced" "build/models/$$name"
	done

viewer: setup
	@.ci/debian-packages $(VIEWER_PACKAGES)
	mkdir -p build/viewer
	npm pack --silent --pack-destination build/viewer @ohif/app@3.13.2
	$(BIN)/python -m plugin.viewer.unpack build/viewer/ohif-app-3.13.2.tgz build/viewer/ohif

setup: $(DEBIAN) $(STUBS) $(ORTHOGEN)

$(DEBIAN): .ci/debian-packages
	@.ci/debian-packages $(DEBIAN_PACKAGES)
	mkdir -p $(@D)
	touch $@

$(BROWSER): .ci/debian-packages
	@.ci/debian-packages $(TEST_PACKAGES)
	mkdir -p $(@D)
	touch $@

$(VENV): | $(DEBIAN)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "setup: needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	mkdir -p $(@D)
	touch $@

$(LIBRARIES): requirements.lock $(VENV)
	@$(PIP) install --require-hashes --requirement requirements.lock
	touch $@

# Built from a copy: setuptools would leave its build folder among the stubs, and the checkers would read it.
$(STUBS): $(shell find typings/orthanc-python-stubs -type f) $(LIBRARIES)
	@rm -rf build/orthanc-python-stubs
	mkdir -p build
	cp -r typings/orthanc-python-stubs build/
	$(PIP) install --quiet --no-deps --no-build-isolation --force-reinstall build/orthanc-python-stubs
	touch $@

$(ORTHOGEN): pyproject.toml $(LIBRARIES)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable '.[cpu]'
	touch $@

# Not in the lock: which build of torch fits (CPU, CUDA) is for pip's own index to say.
$(TRAINING): pyproject.toml $(ORTHOGEN)
	@$(PIP) install --quiet --no-build-isolation --editable '.[cpu,training]'
	touch $@

# --universal: one file for every platform and every Python from 3.11 on. It names no index: pip's own setting decides.
lock: $(VENV)
	@$(PIP) install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra cpu --extra dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --quiet --output-file requirements.lock

clean:
	@rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
