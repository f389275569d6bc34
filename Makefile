# One word for each chore; each makes the virtual environment it needs.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: demo cluster cluster-programs cluster-test test slow soak fuzz dagster-suite check bench clean
.DEFAULT_GOAL := test

# The demo needs a tenth of what the tests need, and a newcomer should not wait for the rest.
$(VENV)/.demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[examples]"
	touch $@

$(VENV)/.installed: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

demo: $(VENV)/.demo  ## run the essay pipeline in a real Dagster instance and show what it wrote
	$(BIN)/python -m examples.essay_pipeline.demo

# In an environment of its own, as dagster-celery asks for the Dagster of its own release. What the tests' environment has,
# where there is one, is found there and not installed again.
SITE = import sysconfig; print(sysconfig.get_path('purelib'))
$(VENV)-cluster/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-cluster
	! [ -f $(VENV)/.installed ] || $(BIN)/python -c "$(SITE)" > "$$($(VENV)-cluster/bin/python -c "$(SITE)")/tests.pth"
	$(VENV)-cluster/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[cluster]"
	touch $@

# Where they are not to be had, `missing` in examples/cluster/hosts.py says so.
cluster-programs:
	@command -v redis-server >/dev/null && command -v ip >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null \
	    || { apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server iproute2 >/dev/null; } || true

cluster: $(VENV)-cluster/.installed cluster-programs  ## Dagster on Celery over hosts that share no disk, as root; FAULTS=1 breaks it meanwhile
	$(VENV)-cluster/bin/python -m examples.cluster.demo $(if $(FAULTS),--faults) $(if $(SEED),--seed $(SEED))

cluster-test: $(VENV)-cluster/.installed cluster-programs  ## faults of a cluster, as root; SLOW=1 for the longer proofs, AGAIN=1 for what failed
	$(VENV)-cluster/bin/python -m pytest -q -n 2 $(if $(AGAIN),--last-failed) $(if $(SLOW),-rP) -m "cluster and $(if $(SLOW),slow,not slow)" \
	    --confcutdir=tests/cluster tests/cluster

# A file's tests run in one process, so that what they share is made once; in order: the browser of tests/web comes last,
# as no event loop can be started in its process afterwards.
TWO_AT_A_TIME := -n 2 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.installed  ## the default test run
	$(BIN)/python -m pytest $(TWO_AT_A_TIME) -q

slow: $(VENV)/.installed  ## the longer proofs: a hundred power cuts, a thousand faulty requests, every error of every call
	$(BIN)/python -m pytest $(TWO_AT_A_TIME) -q -m slow

soak: $(VENV)/.installed  ## 10,000 random kills; KILLS=100 SEED=7 for fewer, or the same again
	PYTHONPATH=src:. $(BIN)/python -m tests.faults.soak --kills $(or $(KILLS),10000) $(if $(SEED),--seed $(SEED))

fuzz: $(VENV)/.installed  ## bytes led by coverage at every reader of hostile input; SECONDS=600 for longer
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	DOC_IO_FUZZ_SECONDS=$(or $(SECONDS),60) $(BIN)/python -m pytest -q -n 2 --timeout 0 tests/hostile/test_fuzz.py

dagster-suite: $(VENV)/.installed  ## Dagster's own tests of IO managers, with doc_io's in the place of the default one
	$(BIN)/python -m tests.dagster_suite

check: $(VENV)/.installed  ## formatting, lint rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed  ## speeds as ratios to hand-written floors
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]"
	$(BIN)/python -m benchmarks --json .bench/results.json --plot docs/images/speed.png

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(VENV)-cluster .pytest_cache .mypy_cache .ruff_cache
