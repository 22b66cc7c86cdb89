# make run    serve at http://localhost:8000 (PORT=... for another port)
# make test   run every test
# make check  linter, formatter and type checker

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin

.PHONY: run test check
.DEFAULT_GOAL := run

run: .venv/requirements
	$(BIN)/python manage.py migrate --no-input
	$(BIN)/python manage.py collectstatic --no-input --verbosity 0
	PORT=$(PORT) $(BIN)/gunicorn --config gunicorn.conf.py imagecaptioner.wsgi

test: .venv/requirements-dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: .venv/requirements-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy .

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
