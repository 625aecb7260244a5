# Without a target: what there is. `make demo` and `make test` install what is missing first (requirements/setup.sh).

SHELL := /bin/sh
PY := .venv/bin/python
# Lab hosts are made of namespaces, which only root may make.
# Under sudo nothing is cached beside the sources: such files would be root's, in a folder of yours.
ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo env PYTHONDONTWRITEBYTECODE=1 PYTEST_ADDOPTS=-pno:cacheprovider)

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak bench lint gen bless lock clean

help: ## Say what each target does
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## Install what is missing for the tests: packages by apt, .venv with locked versions
	@requirements/setup.sh test

demo: ## Start 3 lab hosts, push example-repo/ and watch it converge; EXIT=1 ends then
	@requirements/setup.sh demo
	@$(ROOT) $(PY) -m lab.demo $(if $(EXIT),--exit)

test: setup lint ## Run every test (about 20 minutes on two cores)
	@$(ROOT) $(PY) -m pytest -n 3 --dist loadfile --ignore tests/soak

soak: setup ## Run what takes long: hosts that come and go, every point to be killed at; most of an hour
	@$(ROOT) $(PY) -m pytest -s tests/soak

bench: ## Measure against the targets, minutes long: a table and bench-results.json; ONLY=name runs one
	@requirements/setup.sh bench
	@$(ROOT) $(PY) -m tests.bench "$(ONLY)"

lint: setup ## Format, lint, types, the walls between rooms, and that generated files are fresh
	@$(PY) -m ruff format --quiet --check . || { echo "next: $(PY) -m ruff format ."; exit 1; }
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy --no-error-summary reconciler lab
	@.venv/bin/lint-imports --no-cache >.lint-imports.log 2>&1 || { cat .lint-imports.log; exit 1; }
	@rm -f .lint-imports.log
	@.venv/bin/trueup gen --check
	@$(PY) -m lab.manual --check

gen: setup ## Generate schemas/, the kinds' README.md and docs/reference/ from the kinds, and the example's manual from docs/
	@.venv/bin/trueup gen
	@$(PY) -m lab.manual

bless: setup ## Rewrite the golden plans of the kinds' cases; read the diff before you commit it
	@TRUEUP_BLESS=1 $(PY) -m pytest tests/cases tests/example

lock: setup ## Lock the newest versions that pyproject.toml and requirements/*.in allow
	@cd requirements && for step in "base.txt ../pyproject.toml base.in" "dev.txt dev.in"; do \
	  CUSTOM_COMPILE_COMMAND="make lock" ../.venv/bin/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe \
	    --strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o $$step; done

clean: ## Take away what was built: .venv, caches, lab hosts that are left
	@[ ! -x $(PY) ] || $(ROOT) $(PY) -m lab down
	@$(ROOT) rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build artefacts
