# `make repro` runs the pipeline, `make test` its tests; both set up .venv first.
PYTHON ?= python3
TORCH_BACKEND ?=
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin

# DVC runs stage commands as `python -m stages...`: this is the python that they find.
export PATH := $(BIN):$(PATH)

.PHONY: repro test lint setup

repro: setup dvc.yaml
	@python -m stages.check
	dvc repro

test: setup
	ruff check .
	ruff format --check .
	pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations=10

setup: $(VENV)/ready

$(VENV)/ready: requirements.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND)) -r requirements.txt
	touch $@
