# Everything a developer does here. `make help` lists it; `make run` needs Python 3.11 or newer and nothing else.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The first Python on PATH that is new enough; `make PYTHON=/path/to/python3.13 setup` chooses another.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
# Not to be set from outside: setup would install this checkout into that environment.
override VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
STATE := $(or $(CHARGING_STATE_DIR),.charging)
# Loads the addresses of the running stack; what the caller has set already wins.
WITH_STACK = test -r $(STATE)/env || { echo "nothing runs in $(STATE): start it with 'make run' in another terminal" >&2; exit 1; }; \
	caller=$$(export -p); set -a; . $(STATE)/env; eval "$$caller"; set +a;

.PHONY: help release test-upgrade proto-breaking setup run demo test test-faults test-harness test-load test-ha dependency-audit audit whole-check archive archive-verify backup restore bench check lint format types \
	proto proto-lint stubs cli psql grpcurl-examples up down clean lock

help: ## show this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv with exactly the locked packages (once per change of the lock)

$(STAMP): requirements-dev.lock pyproject.toml shared/stubs/pyproject.toml cli/pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none is on PATH; name one: make PYTHON=/path/to/python setup" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module. On Debian and Ubuntu this command brings it: sudo apt-get install -y python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@# setuptools warns of what an editable installation is; it is meant.
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e shared/stubs -e cli
	@touch $@

run: $(STAMP) ## serve everything in this terminal until Ctrl-C
	@exec $(BIN)/python -m shared.local.run

demo: $(STAMP) ## play the whole story against the running stack
	@$(BIN)/python -m shared.local.demo

test: $(STAMP) ## all tests but the long fault and load runs, on all processors; TEST_WORKERS=0 one after the other
	$(BIN)/python -m pytest --numprocesses $(or $(TEST_WORKERS),auto) --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

test-faults: $(STAMP) ## every crash point and one of every kind of fault, under load; FAULT_SEEDS=1 by default
	$(BIN)/python -m pytest --timeout=0 tests/faults $(PYTEST_ARGS)

test-harness: $(STAMP) ## prove the fault harness: every seeded bug is caught, and the tree as it is passes
	$(BIN)/python -m pytest --timeout=0 tests/unit/test_seeded_bugs.py tests/faults/test_quick.py tests/faults/test_seeded_bugs.py $(PYTEST_ARGS)

test-load: $(STAMP) ## random kills of everything for LOAD_SECONDS=3600, seed after seed; goes on where it was stopped
	$(BIN)/python -m tests.faults.load_run

test-ha: $(STAMP) ## lose the database's machine under load HA_KILLS=20 times, with a synchronous standby and without
	HA_KILLS=$(or $(HA_KILLS),20) $(BIN)/python -m pytest -s tests/ha $(PYTEST_ARGS)

dependency-audit: $(STAMP) ## look at every locked package: withdrawn, licence, known vulnerabilities; AUDIT_FEED=required insists on the last
	@$(BIN)/python scripts/dependency_audit.py

test-upgrade: $(STAMP) ## the services of UPGRADE_FROM (unset: the last release tag, else the parent commit) beside those of today
	$(BIN)/python -m pytest -rsP --timeout=0 tests/system/test_upgrade.py $(PYTEST_ARGS)

release: $(STAMP) ## build wheels, source archive, notes, bill of materials and, where Docker runs, the image into dist/release/
	$(BIN)/python -m scripts.release $(RELEASE_ARGS)

audit: $(STAMP) ## check every entry of both services' books in the running stack
	@$(WITH_STACK) exec $(BIN)/python -m services.customer_charge.audit

whole-check: $(STAMP) ## check everything in the running stack's books at once, and stop the accounts that are broken
	@$(WITH_STACK) exec $(BIN)/python -m services.scheduler.check_now

backup: $(STAMP) ## copy the running stack's database whole, under load too; BACKUP_DIR says where, .charging/backups by default
	@exec $(BIN)/python -m shared.local.backup

restore: $(STAMP) ## put the stopped stack's database back to TARGET_TIME from BACKUP_DIR, and audit it
	@exec $(BIN)/python -m shared.local.restore

archive: $(STAMP) ## write the books of MONTH=2026-01, of both services, to Parquet in ARCHIVE_DIR; nothing is removed from the database
	@$(WITH_STACK) for service in vendor_credit customer_charge; do \
		$(BIN)/python -m services.$$service.archive write "$(MONTH)" --folder "$(or $(ARCHIVE_DIR),$(STATE)/archive)" || exit; done

archive-verify: $(STAMP) ## check every month in ARCHIVE_DIR, and each charge in both ledgers, without a database
	@for service in vendor_credit customer_charge; do \
		$(BIN)/python -m services.$$service.archive verify --folder "$(or $(ARCHIVE_DIR),$(STATE)/archive)" || exit; done

bench: $(STAMP) ## measure, each figure beside the textbook way in the same run
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

check: lint types proto-lint proto-breaking ## everything that is checked without running the system
	$(BIN)/python scripts/generate_stubs.py --check

lint: $(STAMP) ## style and common mistakes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python scripts/check_migrations.py

format: $(STAMP) ## rewrite the code in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format -w protos

types: $(STAMP) ## static types, strict
	$(BIN)/mypy

proto: $(STAMP) ## generate the stubs from protos/
	$(BIN)/python scripts/generate_stubs.py

proto-lint: $(STAMP) ## style of the protos
	$(BIN)/python scripts/generate_stubs.py --stage-only
	cd build/protos && $(CURDIR)/$(BIN)/buf lint && $(CURDIR)/$(BIN)/buf format --diff --exit-code --path charging

proto-breaking: $(STAMP) ## what would break clients of the last release (protos/released.binpb)
	$(BIN)/python scripts/proto_breaking.py

stubs: $(STAMP) ## build the wheel of the client stubs into dist/
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist shared/stubs
	@ls dist/charging_stubs-*.whl

cli: $(STAMP) ## build the wheel of the command `charging` into dist/
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist ./cli
	@ls dist/charging_cli-*.whl

psql: $(STAMP) ## open psql on the running stack; SERVICE=vendor_credit takes that service's role
	@SERVICE=$(SERVICE) exec $(BIN)/python -m shared.local.psql

grpcurl-examples: $(STAMP) ## show and run the operators' grpcurl commands against the running stack
	@$(WITH_STACK) PATH="$(CURDIR)/$(BIN):$$PATH" exec scripts/grpcurl_examples

up: ## the production-like set in containers
	docker compose up --build --wait

down: ## stop the stack of this folder, and its containers; their data stays
	@test ! -x $(BIN)/python || $(BIN)/python -m shared.local.down
	@test -z "$$(docker compose ps --quiet 2>/dev/null)" || docker compose down

clean: down ## stop the stack, then remove its data, .venv and caches
	rm -rf $(STATE) $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info shared/stubs/*.egg-info cli/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: ## bring the locks in line with pyproject.toml; LOCK_ARGS=--upgrade takes the newest versions
	@scripts/lock $(LOCK_ARGS)
