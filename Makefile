# make demo | test | install | bench | check | lock — needs python3 (3.11+), python3-venv and make; nothing else.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
WHEELS := --only-binary :all: --require-hashes --quiet
OR_SAY := || { echo "The packages could not be installed: is the package index reachable? / 软件包未能安装：请检查网络或 pip 镜像设置" >&2; exit 1; }
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help install demo test faults bench check lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 18

# pip comes last into a new environment: where it is missing, making one was interrupted and begins again
$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null \
	  || { echo "python3 is missing: apt-get install python3 python3-venv / 缺少 python3，请先安装: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed / 需要 Python 3.11 或更新版本: $$($(PYTHON) --version 2>&1)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "python3-venv is missing: apt-get install python3-venv / 缺少 python3-venv，请先安装: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/pip
	@echo "installing / 正在安装 …"
	@$(PIP) install $(WHEELS) -r requirements.lock $(OR_SAY)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable . $(OR_SAY)
	@touch $@

$(VENV)/.installed-test: requirements-test.lock $(VENV)/.installed
	@$(PIP) install $(WHEELS) -r requirements-test.lock $(OR_SAY)
	@touch $@

$(VENV)/.installed-check: requirements-check.lock $(VENV)/.installed-test
	@$(PIP) install $(WHEELS) -r requirements-check.lock $(OR_SAY)
	@touch $@

install: $(VENV)/.installed ## install into .venv, from the hashed lock file

demo: install ## the demo district on http://127.0.0.1:8000 with the local gateway
	@$(BIN)/emergency demo load --if-empty
	@$(BIN)/emergency serve --port $(PORT) --demo-links

test: $(VENV)/.installed-test ## install and run the tests
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile -m "not browser and not slow"

faults: $(VENV)/.installed-test ## random faults for some minutes, then the reckoning (DATABASE=postgresql://…)
	@$(BIN)/python tools/faults.py --seconds $(or $(SECONDS_OF_FAULTS),180) --database $(or $(DATABASE),sqlite)

bench: $(VENV)/.installed-test ## the benchmarks with their paired baselines
	@$(BIN)/python benchmarks/run.py --output benchmarks/results.json

check: $(VENV)/.installed-check ## lint, types, architecture, migrations, translations, dependency audit
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/architecture
	@$(BIN)/emergency db check --models
	@$(BIN)/python tools/audit.py

lock: ## resolve the dependencies again (needs uv)
	@for extra in "" "--extra test" "--extra test --extra check"; do \
	  case "$$extra" in "") out=requirements.lock;; "--extra test") out=requirements-test.lock;; *) out=requirements-check.lock;; esac; \
	  uv pip compile pyproject.toml $$extra --universal --python-version 3.11 --generate-hashes --no-annotate \
	    --custom-compile-command "make lock" -q -o $$out; done
	@# the Celery baseline of the benchmarks: its own environment, because it wants older packages than the product
	@uv pip compile benchmarks/requirements-bench.in --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" -q -o requirements-bench.lock

clean: ## remove what was installed (never instance/)
	rm -rf $(VENV) *.egg-info
