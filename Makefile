# corn-systemd. Every target does its own set-up; `make` alone lists them.

# Debian's packages (systemd-python) belong to Debian's interpreter.
PYTHON ?= /usr/bin/python3
PYTEST ?= .venv/bin/python -m pytest
PYTEST_FLAGS ?= -x -q
TESTS := tests/unit tests/process tests/differential tests/fuzz
FUZZ_SECONDS ?= 600
TYPED := corn_systemd bench examples/demo.py examples/hello.py

export PYTHON

.PHONY: help setup lint test fuzz test-system test-full deb demo bench render clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: .venv/.ready ## make the developer's environment in .venv (apt where allowed, pip otherwise)

.venv/.ready: pyproject.toml scripts/setup scripts/apt-install
	scripts/setup

lint: .venv/.ready ## ruff and mypy --strict
	.venv/bin/ruff check --no-cache .
	.venv/bin/mypy --strict $(TYPED)

test: .venv/.ready .venv/.fuzz ## unit, process and differential tests and 20 s of fuzzing, about 10 minutes
	$(PYTEST) $(PYTEST_FLAGS) -m "not full" $(TESTS)

# atheris has wheels alone to offer here: building it takes a clang with its libFuzzer.
.venv/.fuzz: .venv/.ready
	@.venv/bin/python -m pip install -q --disable-pip-version-check --only-binary atheris -e '.[fuzz]' || { \
	  echo "fuzz: no wheel of atheris for $$(.venv/bin/python -V) on $$(uname -m), or no index to get it from:" \
	    "nothing can be fuzzed here" >&2; exit 1; }
	@touch $@

fuzz: .venv/.fuzz ## look for inputs that break the HTTP engine (FUZZ_SECONDS=600), keep the interesting ones
	@for target in requests answers proxies forwarded hosts; do \
	  .venv/bin/python -m tests.fuzz.run $$target -max_total_time=$$(( $(FUZZ_SECONDS) / 5 )) -print_final_stats=1 \
	    && .venv/bin/python -m tests.fuzz.run $$target --keep || exit 1; done

test-system: .venv/.ready ## the .deb under a real systemd, Debian 12 and 13, containers and virtual machines (root)
	tests/system/run

test-full: .venv/.ready ## what takes longer: by hand, dated in the CHANGELOG
	$(PYTEST) $(PYTEST_FLAGS) -m full $(TESTS)

deb: ## build the Debian package into dist/
	packaging/build-deb

demo: .venv/.ready ## a real Django application under corn (DEMO_ONCE=1: check it and stop)
	.venv/bin/python examples/demo.py

bench: .venv/.ready ## corn beside gunicorn, granian, uWSGI, waitress and bjoern, about 8 minutes
	.venv/bin/python -m bench $(BENCH_FLAGS)

render: .venv/.ready ## man pages, catalogue and example from the declarations
	.venv/bin/python -m corn_systemd.settings.render --write docs

clean: ## remove what the other targets made here
	rm -rf .venv build dist bench/results *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
