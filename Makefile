.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
export PYTHON
# Tests in real time mostly wait, so more of them than there are cores run at once.
jobs := 6

.PHONY: help scenario scenarios demo bug serve restate test test-real-time coverage lint types matrix matrix-share check fmt docs engines bench clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Two stamps, so that a first verdict does not wait for linters.
$(VENV)/.installed: pyproject.toml constraints.txt scripts/find-python
	@python=$$(scripts/find-python) && echo "Setting up $(VENV) with $$python ..." && "$$python" -m venv $(VENV)
	@$(PIP) install -q -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Adding the development tools ..."
	@$(PIP) install -q -c constraints.txt -e '.[dev]'
	@touch $@

scenario: $(VENV)/.installed ## Play one scenario: make scenario name=slow-region [seed=7]
	@$(VENV)/bin/fanin run $(if $(name),$(name),slow-region) $(if $(seed),--seed $(seed))

scenarios: $(VENV)/.installed ## Play the whole pack
	@$(VENV)/bin/fanin run --all

demo: $(VENV)/.installed ## Play, step and break a run in the browser: make demo [name=sink-down]
	@$(VENV)/bin/fanin demo $(name)

bug: $(VENV)/.installed ## Show a broken aggregator at work: make bug name=original-sample
	@$(VENV)/bin/fanin bug $(name)

serve: $(VENV)/.installed ## Run the aggregator on this machine: make serve args='--regions eastus,westus'
	@$(VENV)/bin/fanin serve $(args)

restate: $(VENV)/.installed ## Install a Restate server and the engine on it, and start the server: make restate [do=install]
	@$(PIP) install -q -c constraints.txt -e '.[restate]'
	@VENV=$(VENV) scripts/install-restate $(if $(do),$(do),start)

test: $(VENV)/.installed-dev ## Every test that needs neither real time nor a heavy part
	@$(VENV)/bin/pytest -q -n auto -m "not real_time"
	@echo "make check also runs style, types, coverage, the bug matrix, and the tests in real time: processes, engines' servers, a browser."

test-real-time: $(VENV)/.installed-dev ## Tests that wait for real clocks, processes and servers, side by side
	@$(VENV)/bin/pytest -q -n $(jobs) --dist worksteal -m real_time

lint: $(VENV)/.installed-dev ## Style and import contracts
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/lint-imports --no-cache

types: $(VENV)/.installed-dev ## mypy --strict over code and tests
	@$(VENV)/bin/mypy

coverage: $(VENV)/.installed-dev ## Does each module that decides have all its branches covered by its own tests?
	@$(VENV)/bin/python scripts/check_coverage.py

matrix: $(VENV)/.installed ## Play the whole zoo through the whole pack: is docs/bug-matrix.md true?
	@$(VENV)/bin/fanin matrix --check docs/bug-matrix.md

# The code decides which eighth: the same commit is always checked the same way, the next one another way. That
# each mutant is killed where it is shown best is among the tests.
share = $(shell tree=$$(git rev-parse --short=7 'HEAD^{tree}' 2>/dev/null) && echo $$((0x$$tree % 8 + 1))/8 || echo 1/8)
matrix-share: $(VENV)/.installed ## Play an eighth of the mutants, and all healthy variants, as `make check` does [share=3/8]
	@echo "Playing share $(share) of the mutants through the pack ..."
	@$(VENV)/bin/fanin matrix --check docs/bug-matrix.md --shard $(share)

check: $(VENV)/.installed-dev ## What CI runs, in CI's order
	@$(MAKE) --no-print-directory -j 2 lint types coverage # one core each
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory matrix-share
	@$(MAKE) --no-print-directory test-real-time

docs: $(VENV)/.installed-dev ## Write the generated pages anew
	@$(VENV)/bin/fanin schema > $(VENV)/page && mv $(VENV)/page docs/scenario.schema.json
	@$(VENV)/bin/fanin matrix --format markdown > $(VENV)/page && mv $(VENV)/page docs/bug-matrix.md
	@FANIN_ACCEPT_PAGES=1 $(VENV)/bin/pytest -q tests/test_pages.py

engines: $(VENV)/.installed-dev ## Judge every engine in real time, and write docs/engines.md (seventeen minutes)
	@$(MAKE) --no-print-directory restate do=install
	@scripts/judge-engines

fmt: $(VENV)/.installed-dev ## Rewrite the code the way `make lint` wants it
	@$(VENV)/bin/ruff check --fix-only -q .
	@$(VENV)/bin/ruff format .

bench: $(VENV)/.installed-dev ## Measure, and print how it was measured (docs/benchmarks.md)
	@$(VENV)/bin/python -m benchmarks

clean: ## Remove what the targets above made
	rm -rf $(VENV) .uv .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
