# make demo   generate, verify and screen a clip, step by step, into ./demo
# make test   run the tests, as many at once as there are cores
# make e2e    run those of whole programs and real components: PostgreSQL, Chromium, the openai client, a collector
# make lint   ruff; make types: mypy; make check: all of these
#
# Each makes .venv if there is none and installs into it. PYTHON names the interpreter (3.11 to 3.13).

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEMO := demo

.PHONY: demo test e2e lint types check install

demo: $(INSTALLED)
	@mkdir -p $(DEMO)
	@COUNTERMARK_HOME=$(DEMO)/home $(BIN)/countermark weights fetch || \
		echo "Going on without the image encoder: frames will not be examined."
	@$(BIN)/python -m countermark.demo $(DEMO)

# One thread in each process, which all cores share.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --ignore tests/e2e --numprocesses auto --dist worksteal

e2e: $(INSTALLED)
	$(BIN)/python -m pytest tests/e2e

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

check: lint types test e2e

install: $(INSTALLED)

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.13 was found; name one: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]'
	@touch $@
