# Every target sets itself up: a virtual environment in .venv, exact versions from constraints.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP_FLAGS = -qq --disable-pip-version-check --no-input -c constraints.txt
RUN = .venv/bin/
READY = .venv/.ready
BENCH_READY = .venv-bench/.ready

.PHONY: demo test slow prove check bench docs help clean

help: ## show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): pyproject.toml constraints.txt
	@echo "Setting up .venv (about 1.3 GB, one to three minutes, once) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit(f"internvideo needs Python 3.11 or newer; this is {v[0]}.{v[1]}. Try: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv
	@$(RUN)python -m pip install $(PIP_FLAGS) torch==2.13.0
	@$(RUN)python -m pip install $(PIP_FLAGS) -e ".[dev]"
	@touch $@
	@echo "Ready."

$(BENCH_READY): benchmarks/requirements.txt
	@echo "Setting up .venv-bench with the peers that the benchmarks compare with ..."
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install -qq --disable-pip-version-check --no-input torch==2.13.0
	@.venv-bench/bin/python -m pip install -qq --disable-pip-version-check --no-input --no-deps -r benchmarks/requirements.txt
	@touch $@

demo: $(READY) ## render a small world of videos, curate, export and index it, serve the page
	@$(RUN)internvideo demo

test: $(READY) ## the tests (no network, GPU, ffmpeg or ../shared needed)
	@$(RUN)python -m pytest -n auto --dist loadfile

slow: $(READY) ## short forms of the kill, memory and load tests
	@$(RUN)python -m pytest -m slow tests

prove: $(READY) ## full forms, with the counts and goals of the issues
	@INTERNVIDEO_PROVE=1 $(RUN)python -m pytest -m slow tests

check: $(READY) ## ruff, types, architecture, freshness of the generated docs
	@$(RUN)ruff check .
	@$(RUN)ruff format --check .
	@$(RUN)mypy
	@$(RUN)python -m pytest tests/test_architecture.py tests/test_docs.py

bench: $(READY) $(BENCH_READY) ## paired benchmarks against named peers; prints the tables of docs/results.md
	@$(RUN)python benchmarks/decode.py
	@$(RUN)python benchmarks/shots.py
	@$(RUN)python benchmarks/curate.py
	@$(RUN)python benchmarks/embed.py
	@$(RUN)python benchmarks/verbs.py
	@$(RUN)python benchmarks/metrics.py
	@$(RUN)python benchmarks/train_step.py
	@$(RUN)python benchmarks/loss_memory.py
	@$(RUN)python benchmarks/feed.py
	@$(RUN)python benchmarks/index.py
	@$(RUN)python benchmarks/search.py
	@$(RUN)python benchmarks/serve.py
	@$(RUN)python benchmarks/localisation.py

docs: $(READY) ## write the generated pages
	@$(RUN)python -m internvideo.app.reference docs/reference/cli.md
	@$(RUN)python -m internvideo.app.recipe_page docs/recipes.md

clean: ## remove what the targets made (not .venv)
	@rm -rf demo build benchmarks/out .pytest_cache .mypy_cache .ruff_cache .hypothesis
