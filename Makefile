# `make demo` and `make test` are the two commands; both install what they need on first use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: install demo test lint format bench serve clean help
.DEFAULT_GOAL := help

help: ## what can be made here
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Vitesse needs Python 3.11 or later; set PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

install: $(STAMP) ## make .venv with the vitesse command

demo: $(STAMP) ## watch an integration being made, proven, deployed, run, broken and healed
	@$(BIN)/vitesse demo $(ARGS)

lint: $(STAMP) ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

test: lint ## lint and every test
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

format: $(STAMP) ## mend what ruff can mend
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(STAMP) ## measure beside the peers; prints Markdown
	@$(BIN)/python -m bench $(ARGS)

serve: $(STAMP) ## the REST API on loopback
	@$(BIN)/vitesse serve $(ARGS)

clean: ## take away what was made here
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .langgraph_api
