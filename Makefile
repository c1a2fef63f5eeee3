# `make help` lists the targets. Everything runs in .venv, which the first command creates.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help up backup restore verify client test unit check format snapshots lock audit bench promises profile simulate chaos chaos-long clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One stamp file per requirements file: packages are installed again only when that file changes.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Chatterbox needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.13" >&2; exit 1; }
	@test -x $(RUN)/python || { echo "Creating $(VENV) ..." && $(PYTHON) -m venv $(VENV); } || \
	  { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing $< into $(VENV); the first time takes about a minute ..."
	@$(RUN)/pip install --progress-bar off --disable-pip-version-check --require-hashes -r $<
	@$(RUN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
endef

$(VENV)/.allinone: requirements/allinone.txt pyproject.toml
	$(install)
$(VENV)/.dev: requirements/dev.txt pyproject.toml
	$(install)
	@touch $(VENV)/.allinone $(VENV)/.processes
$(VENV)/.processes: requirements/processes.txt pyproject.toml
	$(install)
	@touch $(VENV)/.allinone

ifdef GATEWAYS
up: $(VENV)/.processes
	@exec $(RUN)/python -m services.processes --gateways $(GATEWAYS)
else
up: $(VENV)/.allinone ## run Chatterbox in one process (no Docker, no Redis); GATEWAYS=3: as several processes, with Redis and the edge
	@exec $(RUN)/python -m services.allinone
endif

backup: $(VENV)/.allinone ## back up all data to a new folder, with the server running or not: make backup TO=folder
	@$(RUN)/python -m services.allinone backup "$(TO)"

restore: $(VENV)/.allinone ## restore a backup, with the server stopped: make restore FROM=folder
	@$(RUN)/python -m services.allinone restore "$(FROM)"

verify: $(VENV)/.allinone ## check all databases for damage, with the server running or not
	@$(RUN)/python -m services.allinone verify

client: $(VENV)/.allinone ## open the terminal client
	@exec $(RUN)/chatterbox chat

test: $(VENV)/.dev ## run all tests that this machine supports
	$(RUN)/python -m tests

unit: $(VENV)/.dev ## run only the unit tests (a minute and a half)
	$(RUN)/pytest tests/unit

check: $(VENV)/.dev ## run the linter, the type checker, the import contracts and the doc tests
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/mypy
	$(RUN)/lint-imports --no-logo
	$(RUN)/pytest tests/docs

snapshots: $(VENV)/.dev ## accept the current rendering of the full screen as the expected snapshots
	CHATTERBOX_ACCEPT_SNAPSHOTS=1 $(RUN)/pytest tests/unit/client/screen/test_snapshots.py

format: $(VENV)/.dev ## format the code
	$(RUN)/ruff check --fix
	$(RUN)/ruff format

# The services' requirements contain only what they import; the others also install the project, with its client.
COMPILE = $(RUN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-header --no-annotate $(UPGRADE)
lock: UPGRADE ?= --upgrade
lock: $(VENV)/.dev ## update and pin all requirements, with hashes; UPGRADE= keeps the pinned versions
	for group in auth files gateway history; do $(COMPILE) --group $$group -o requirements/$$group.txt || exit; done
	for group in allinone processes dev; do \
	  $(COMPILE) --group $$group -o requirements/$$group.txt pyproject.toml requirements/build.in || exit; done
	$(COMPILE) -o requirements/client.txt pyproject.toml requirements/build.in

# Fails where it can't check: pip-audit asks PyPI for each version.
audit: $(VENV)/.dev ## report known vulnerabilities in all requirements (needs PyPI)
	@$(RUN)/uv tool run pip-audit@2.10.1 --strict --disable-pip --require-hashes \
	  $(addprefix -r ,$(sort $(wildcard requirements/*.txt))) || \
	  { echo "make audit: failed. Upgrade what is listed above, or run it where PyPI answers." >&2; exit 1; }

bench: $(VENV)/.dev ## benchmark fan-out, sends, acks, connects and memory against other servers (an hour)
	$(RUN)/python -m bench

profile: $(VENV)/.dev ## profile the gateway; WORKLOAD=w3, RATE=500, PROCESS=history
	$(RUN)/python -m bench.profiler $(addprefix --workload ,$(WORKLOAD)) $(addprefix --rate ,$(RATE)) \
	  $(addprefix --process ,$(PROCESS))

promises: $(VENV)/.dev ## measure every promise that has a figure, and report which are met (minutes)
	$(RUN)/python -m bench.promises

simulate: $(VENV)/.dev ## test the gateway under thousands of simulated schedules; SEEDS=5000 FIRST=1 (minutes)
	$(RUN)/python -m tests.simulation --seeds $(or $(SEEDS),5000) --first $(or $(FIRST),1)

chaos: $(VENV)/.dev ## inject every fault once under load, and check the promises (minutes); SITE=containers: in containers
	$(RUN)/python -m tests.chaos --site $(or $(SITE),processes) $(addprefix --seed ,$(SEED))

chaos-long: $(VENV)/.dev ## inject random faults for ten minutes with each of five seeds (an hour)
	$(RUN)/python -m tests.chaos --site $(or $(SITE),processes) --minutes 10 $(addprefix --seed ,1 2 3 4 5)

clean: ## remove build and cache files, but no data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis bench/.build tests/.cache
