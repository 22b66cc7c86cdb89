# make run        serve at http://localhost:8000 (PORT=... for another port)
# make test       run every test, and print the coverage
# make test-fast  run the quick tests only
# make check      linter, formatter and type checker
# make evaluate   score the shipped model on the dev splits; needs its data sets (DATA=... for a folder)

PYTHON ?= python3
PORT ?= 8000
DATA ?= data
BIN := .venv/bin

.PHONY: run test test-fast check evaluate
.DEFAULT_GOAL := run

run: .venv/requirements
	$(BIN)/python manage.py migrate --no-input
	$(BIN)/python manage.py collectstatic --no-input --verbosity 0
	PORT=$(PORT) $(BIN)/gunicorn --config gunicorn.conf.py imagecaptioner.wsgi

PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test: .venv/requirements-dev
	$(PYTEST) --cov --cov-report=term:skip-covered

test-fast: .venv/requirements-dev
	$(PYTEST) -m "not slow"

check: .venv/requirements-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy .

evaluate: .venv/requirements
	$(BIN)/python manage.py evaluate_captioner --dataset flickr8k --data-root $(DATA)/flickr8k
	$(BIN)/python manage.py evaluate_captioner --dataset captions-csv --data-root $(DATA)/everyday
	$(BIN)/python manage.py evaluate_captioner --names $(DATA)/everyday/naming-dev.json

# Each of these files says that the requirements of the same name are installed.
.venv/requirements: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --requirement requirements.txt
	touch $@

.venv/requirements-dev: requirements-dev.txt requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --requirement requirements-dev.txt
	touch $@ .venv/requirements

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed. Name one: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	$(PYTHON) -m venv .venv
