# Everything a developer runs. `make demo` and `make test` need nothing installed beforehand.
.DEFAULT_GOAL := help
.PHONY: help install demo incident test lint bench clean

BIN := .venv/bin

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: ## Install what is missing: Debian packages and .venv
	@tools/bootstrap.sh

demo: install ## The whole pipeline on this machine, without Docker, with 24 h of history (PRESET=blueprint: its figures); Ctrl-C ends it
	@$(BIN)/python -m simulator.demo

incident: install ## Start an incident in the running demo: NAME=admin-attack; STOP=1 ends it; without NAME, a list
	@$(BIN)/python -m simulator.demo.incident $(NAME) $(if $(STOP),--stop)

test: lint ## Lint, types and all tests, on real PostgreSQL, Redis and Prometheus processes
	@$(BIN)/python -m pytest -n 2

lint: install ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: install ## Measure the exporter beside its peers, and the responder; rewrites docs/benchmarks.md (about half an hour)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@$(BIN)/python -m benchmarks.exporter
	@$(BIN)/python -m benchmarks.responder

clean: ## Remove everything that the targets above made here; Debian packages stay
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
