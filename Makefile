# make demo      try it: lose a deployment in a simulated AWS, and restore it
# make unit      what needs no simulated host and no browser (two minutes)
# make coverage  which lines of the package no unit test runs
# make test      everything that CI proves (about half an hour on two cores)
# make campaign  what `make test` samples, whole (hours)
# make bench     the measured promises
# make dist      the wheel, and the single file for hosts without a package index
# make lock      choose the versions of all requirements again
# make golden    render golden/ and the tables again, after an intended change
# make picture   take the README's picture again, in Chromium

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --no-header --no-annotate --generate-hashes
PYTEST := $(BIN)/python -m pytest --numprocesses 4 --dist worksteal
READY := .venv/ready
FOR_THE_FILE := --no-deps --no-compile --target build/pyz --upgrade \
  --python-version 3.9 --platform manylinux2014_x86_64 --only-binary :all:
REAL := .venv/real/ready
HOST := codeocean_cmdgen/simulator/inside
SHELL_PROGRAMS := tools/system-packages tools/real-parts .ci/run \
  $(HOST)/machine.sh $(HOST)/root/usr/local/bin/sleep

.PHONY: bench campaign clean coverage demo dist golden lint lock picture ready system test unit

ready: system $(READY) $(REAL)

system:
	@tools/system-packages

$(READY): pyproject.toml requirements/development.txt
	$(PYTHON) -m venv .venv
	$(PIP) install --require-hashes --requirement requirements/development.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

# What runs on Python 3.9 is locked first; the tests take the same versions of it.
lock: $(READY)
	$(COMPILE) --python-version 3.9 pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) --python-version 3.11 --universal --all-extras pyproject.toml \
	  --constraint requirements/runtime.txt --output-file requirements/development.txt

# What AWS and others have built, for tests/real.
$(REAL): tests/real/requirements.txt tools/real-parts | $(READY)
	@tools/real-parts $(BIN)/python .venv/real

demo: system $(READY)
	@$(BIN)/codeocean-cmdgen rehearse restore

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck --enable=all $(SHELL_PROGRAMS)
	$(BIN)/shfmt -i 2 -d $(SHELL_PROGRAMS)

unit: $(READY)
	$(PYTEST) --numprocesses 2 tests/unit

coverage: $(READY)
	$(BIN)/coverage run -m pytest tests/unit
	$(BIN)/coverage combine
	$(BIN)/coverage report --fail-under 95

test: ready lint
	$(PYTEST)

campaign: ready
	$(PYTEST) -m campaign

bench: ready dist
	@tools/system-packages gcc libc6-dev libfuse3-dev pgcopydb pkg-config
	$(BIN)/python -m tools.bench

golden: $(READY)
	$(BIN)/python -m pytest tests/unit/test_golden.py::test_golden --snapshot-update
	$(BIN)/python -m tools.tables --write
	for one in backup restore migration; do $(BIN)/codeocean-cmdgen runbook "$$one" \
	  --values codeocean_cmdgen/examples/deployment.toml --output "golden/runbook-$$one.md" || exit; done

picture: $(READY)
	$(BIN)/python -m tools.screenshot

# The single file carries its requirements, without what it does not use: compiled modules, colored
# source code and Markdown, and the simulator, which needs far more.
dist: $(READY)
	rm -rf build dist
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	$(PIP) install $(FOR_THE_FILE) --require-hashes --requirement requirements/runtime.txt
	$(PIP) install $(FOR_THE_FILE) dist/codeocean_cmdgen-*.whl
	find build/pyz -name '*.so' -delete
	cd build/pyz && rm -rf bin markdown_it* mdurl* pygments* codeocean_cmdgen/simulator \
	  codeocean_cmdgen/rehearsal
	$(BIN)/python -m zipapp build/pyz --compress --python '/usr/bin/env python3' \
	  --main codeocean_cmdgen.__main__:main --output dist/codeocean-cmdgen.pyz

clean:
	rm -rf .venv build dist
