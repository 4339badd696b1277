# Everything a developer runs. `make demo` and `make test` need nothing installed beforehand; a target that starts no
# server needs no Debian package but Python.
.DEFAULT_GOAL := help
.PHONY: help install python demo incident dashboards test test-slow test-identity test-compose lint bench bench-alerts bench-alert-quality bench-scale clean
.PHONY: pytest reference texts secrets gateway stack-demo stack-scale kubernetes lock newest

BIN := .venv/bin
# Without its bytecode every one of hundreds of started programs would be compiled again.
export PYTHONDONTWRITEBYTECODE :=

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

install: ## Install what is missing: Debian packages and .venv
	@tools/bootstrap.sh

python: ## Install what is missing of Python packages alone, into .venv
	@tools/python.sh

demo: install ## The whole pipeline on this machine, without Docker, with 24 h of history (PRESET=blueprint: its figures; HA=1: two of each part, and a store); Ctrl-C ends it
	@$(BIN)/python -m demo $(if $(HA),--ha)

incident: install ## Start an incident in the running demo: NAME=admin-attack; STOP=1 ends it; without NAME, a list
	@$(BIN)/python -m demo.incident $(NAME) $(if $(STOP),--stop)

dashboards: python ## Write the JSON of the Grafana dashboards from their code
	@$(BIN)/python -m grafana.dashboards

test-slow: install ## What `make test` leaves out: every incident in a demo, healthy weeks, mutants of every rule, everything breaking in turn, a store that is away, 10,000 alerts for the responder (over two hours)
	@$(BIN)/python -m pytest -m slow --ignore=tests/gateway/identity --ignore=tests/compose/engine --log-cli-level=info

test: install ## Lint, types and all tests, on real PostgreSQL, Redis and Prometheus processes
	@$(MAKE) --no-print-directory --jobs=2 lint pytest

# Lint and types are checked beside the tests, which leave a processor idle now and then.
pytest:
	@tools/tests.sh -n 6

test-identity: install ## Sign in with a real Keycloak, oauth2-proxy and browser, which tools/identity.sh fetches (some minutes)
	@tools/identity.sh
	@$(BIN)/python -m pytest -m slow tests/gateway/identity

test-compose: install ## The stack of docker-compose.yml on a real Docker engine, one of its own where there is none (as root; half an hour)
	@tools/compose-test.sh

lint: python ## ruff, mypy --strict, limits, the words of docs and alerts, and what weakens images, manifests, templates and workflows (checkov, zizmor)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python prometheus/check.py
	@tools/checks.sh
	@tools/prose.sh

secrets: ## Make the secrets of docker-compose.yml that are missing, and a certificate for a first try
	@tools/secrets.sh

gateway: python ## Render and check the configuration of gateway, sign-in and realm, from .env
	@$(BIN)/python -m gateway
	@tools/readable.sh

stack-demo: secrets gateway ## Docker: the stack with a simulated platform and an inbox
	@$(BIN)/python -m demo.compose
	@tools/readable.sh
	@docker compose --env-file .env --env-file deploy/compose/demo.env --profile demo up -d --build --wait

stack-scale: secrets gateway ## Docker: the stack with two of each of ours, and a VictoriaMetrics cluster (STORE=mimir or thanos: that one)
	@$(BIN)/python -m deploy.scale $(STORE)
	@tools/readable.sh
	@docker compose --env-file .env --env-file deploy/compose/scale.env --profile scale -f docker-compose.yml \
		$(if $(STORE),-f contrib/store/$(STORE).compose.yml --env-file contrib/store/$(STORE).env,--profile victoriametrics) \
		up -d --build --wait

reference: python ## Write the reference pages of docs/reference from the code
	@$(BIN)/python -m reference

kubernetes: python ## Write what the Prometheus operator and Grafana's sidecar take to deploy/rendered/monitoring
	@$(BIN)/python -m deploy.kubernetes

texts: install ## Print what every alert says on every channel, when it begins and when it ends (NAME=ServiceDown: that one)
	@$(BIN)/python -m demo.texts $(NAME)

newest: python ## Say which pinned versions have a newer release, as far as package registries know
	@tools/newest.sh

lock: python ## Write the hash-locked requirements of the container images anew
	@tools/lock.sh

bench: install ## Measure the exporter beside its peers, the responder and the dashboard; rewrites docs/benchmarks.md (over half an hour)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@$(BIN)/python -m benchmarks.exporter
	@$(BIN)/python -m benchmarks.responder
	@$(BIN)/python -m benchmarks.dashboard

bench-alerts: install ## Measure from a condition in the platform to its notification; rewrites its table in docs/benchmarks.md (ten minutes)
	@$(BIN)/python -m benchmarks.alert_latency

bench-alert-quality: install ## Count false alerts of healthy weeks and what is told of incidents; rewrites its tables in docs/benchmarks.md (hours; it keeps what it has run)
	@$(BIN)/python -m benchmarks.alert_quality

bench-scale: install ## Measure what the monitoring costs as the platform grows; rewrites the tables in docs/scaling.md (15 minutes)
	@$(BIN)/python -m benchmarks.scale

clean: ## Remove everything that the targets above made here; Debian packages stay
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
