# Two commands on a fresh machine: make demo, make test. Both may be run again at any time.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The second is what newer versions of pip read for the build alone.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := $(PIP_CONSTRAINT)

.PHONY: demo test lint format bench verify clean

demo: $(VENV)/.installed
	$(BIN)/reverie train vae --data mnist --budget 1m
	@echo "Look at the report named above in a browser."

test: $(VENV)/.test
	$(BIN)/python -m pytest -m "not slow" -n 2

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

verify: $(VENV)/.test
	$(BIN)/python -m pytest -m slow --timeout 3600

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[test,lint]"
	touch $@

clean:
	rm -rf $(VENV) build dist
