# corn-systemd. Every target does its own set-up; `make` alone lists them.

# Debian's packages (systemd-python) belong to Debian's interpreter.
PYTHON ?= /usr/bin/python3
PYTEST ?= .venv/bin/python -m pytest
PYTEST_FLAGS ?= -x -q
TYPED := corn_systemd bench examples/demo.py examples/hello.py

export PYTHON

.PHONY: help setup lint test test-system test-full deb demo bench render clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: .venv/.ready ## make the developer's environment in .venv (apt where allowed, pip otherwise)

.venv/.ready: pyproject.toml scripts/setup scripts/apt-install
	scripts/setup

lint: .venv/.ready ## ruff and mypy --strict
	.venv/bin/ruff check --no-cache .
	.venv/bin/mypy --strict $(TYPED)

test: .venv/.ready ## unit and process tests, under 3 minutes
	$(PYTEST) $(PYTEST_FLAGS) -m "not full" tests/unit tests/process

test-system: .venv/.ready ## the .deb under a real systemd, Debian 12 and 13 (root)
	tests/system/run

test-full: .venv/.ready ## what takes longer: by hand, dated in the CHANGELOG
	$(PYTEST) $(PYTEST_FLAGS) -m full tests/unit tests/process

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
