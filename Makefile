# `make help` lists what there is. Everything runs in .venv, which the first command makes.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help up backup restore client test unit check format snapshots lock bench promises profile simulate chaos chaos-long clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One stamp file for each set of requirements: made once, made anew when the set changes.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Chatterbox needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.13" >&2; exit 1; }
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(RUN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
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
up: $(VENV)/.allinone ## run Chatterbox in one process (no Docker, no Redis); GATEWAYS=3: in many, with Redis and the edge
	@exec $(RUN)/python -m services.allinone
endif

backup: $(VENV)/.allinone ## copy all data into a new folder, also while it runs: make backup TO=folder
	@$(RUN)/python -m services.allinone backup "$(TO)"

restore: $(VENV)/.allinone ## put a backup back, while it is stopped: make restore FROM=folder
	@$(RUN)/python -m services.allinone restore "$(FROM)"

client: $(VENV)/.allinone ## open the terminal client
	@exec $(RUN)/chatterbox chat

test: $(VENV)/.dev ## run every test that this machine can run
	$(RUN)/python -m tests

unit: $(VENV)/.dev ## run the unit tests alone (seconds)
	$(RUN)/pytest tests/unit

check: $(VENV)/.dev ## lint, types, layers, docs
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/mypy
	$(RUN)/lint-imports --no-logo
	$(RUN)/pytest tests/docs

snapshots: $(VENV)/.dev ## take what the full screen draws now as what it should draw
	CHATTERBOX_ACCEPT_SNAPSHOTS=1 $(RUN)/pytest tests/unit/client/screen/test_snapshots.py

format: $(VENV)/.dev ## format the code
	$(RUN)/ruff check --fix
	$(RUN)/ruff format

# The services' files have what they import and nothing else; the others also install the project, with its client.
COMPILE = $(RUN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-header --no-annotate $(UPGRADE)
lock: UPGRADE ?= --upgrade
lock: $(VENV)/.dev ## pin all requirements anew, with hashes; UPGRADE= keeps the versions that are pinned
	for group in auth gateway history; do $(COMPILE) --group $$group -o requirements/$$group.txt || exit; done
	for group in allinone processes dev; do \
	  $(COMPILE) --group $$group -o requirements/$$group.txt pyproject.toml requirements/build.in || exit; done
	$(COMPILE) -o requirements/client.txt pyproject.toml requirements/build.in

bench: $(VENV)/.dev ## measure fan-out, sends, acks, connects and memory here, beside other servers (an hour)
	$(RUN)/python -m bench

profile: $(VENV)/.dev ## see where the gateway spends its time; WORKLOAD=w3, RATE=500, PROCESS=history
	$(RUN)/python -m bench.profiler $(addprefix --workload ,$(WORKLOAD)) $(addprefix --rate ,$(RATE)) \
	  $(addprefix --process ,$(PROCESS))

promises: $(VENV)/.dev ## measure every promise that has a figure, and say which are reached (minutes)
	$(RUN)/python -m bench.promises

simulate: $(VENV)/.dev ## run the gateway through thousands of simulated schedules; SEEDS=5000 FIRST=1 (minutes)
	$(RUN)/python -m tests.simulation --seeds $(or $(SEEDS),5000) --first $(or $(FIRST),1)

chaos: $(VENV)/.dev ## break everything once while a crowd talks, and judge it (minutes); SITE=containers: in containers
	$(RUN)/python -m tests.chaos --site $(or $(SITE),processes) $(addprefix --seed ,$(SEED))

chaos-long: $(VENV)/.dev ## ten minutes of faults by chance, for each of five seeds (an hour)
	$(RUN)/python -m tests.chaos --site $(or $(SITE),processes) --minutes 10 $(addprefix --seed ,1 2 3 4 5)

clean: ## remove what was built here, but no data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis bench/.build tests/.cache
