# make run | test | lint | requirements: each sets up .venv by itself, from Python 3.11, 3.12 or 3.13 and nothing else.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
PY := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
ARGS ?=

.PHONY: run test lint requirements clean print-python

run: .venv/run
	$(PY) -m c3dvis weights fetch i3d-kinetics400
	$(PY) -m streamlit run app.py $(ARGS)

test: .venv/dev
	$(PY) tests/browser.py
	$(PY) -m c3dvis weights fetch i3d-kinetics400
	$(PY) -m pytest -n 2 --dist loadfile $(ARGS)

lint: .venv/dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m pyright --pythonpath $(PY)

# Versions stay as they are unless pyproject.toml asks for others; UPGRADE=1 takes the newest.
COMPILE := -m uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--no-emit-index-url --custom-compile-command "make requirements" $(if $(UPGRADE),--upgrade)

requirements: .venv/dev
	$(PY) $(COMPILE) pyproject.toml --output-file requirements.txt
	$(PY) $(COMPILE) pyproject.toml --output-file requirements-dev.txt --extra dev --constraint requirements.txt

.venv/made:
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 with venv was found. Install one \
	(on Debian: python3 and python3-venv), or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

.venv/run: .venv/made requirements.txt pyproject.toml
	$(PY) -m pip install -r requirements.txt -e .
	touch $@

.venv/dev: .venv/made requirements-dev.txt pyproject.toml
	$(PY) -m pip install -r requirements-dev.txt -e .
	touch $@ .venv/run

clean:
	rm -rf .venv build *.egg-info

print-python:
	@echo $(PYTHON)
