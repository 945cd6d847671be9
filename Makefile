# make demo      try it: lose a deployment in a simulated AWS, and bring it back
# make test      everything that CI proves (about a quarter of an hour on two cores)
# make campaign  what `make test` samples, whole (hours)
# make bench     the measured promises
# make dist      the wheel, and the single file for hosts without a package index
# make golden    render golden/ and the tables anew, after a change that is meant
# make picture   take the README's picture anew, in Chromium

PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest --numprocesses 4 --dist worksteal
READY := .venv/ready
HOST := codeocean_cmdgen/simulator/inside
SHELL_PROGRAMS := tools/system-packages .ci/run \
  $(HOST)/machine.sh $(HOST)/root/usr/local/bin/sleep

.PHONY: bench campaign clean demo dist golden lint picture ready system test

ready: system $(READY)

system:
	@tools/system-packages

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[simulator,dev]'
	touch $@

demo: ready
	@$(BIN)/codeocean-cmdgen rehearse restore

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck --enable=all $(SHELL_PROGRAMS)
	$(BIN)/shfmt -i 2 -d $(SHELL_PROGRAMS)

test: ready lint
	$(PYTEST)

campaign: ready
	$(PYTEST) -m campaign

bench: ready dist
	@tools/system-packages gcc libc6-dev libfuse3-dev pkg-config
	$(BIN)/python -m tools.bench

golden: $(READY)
	$(BIN)/python -m pytest tests/test_golden.py --snapshot-update
	$(BIN)/python -m tools.tables --write
	for one in backup restore migration; do $(BIN)/codeocean-cmdgen runbook "$$one" \
	  --values codeocean_cmdgen/examples/values.toml --output "golden/runbook-$$one.md" || exit; done

picture: $(READY)
	$(BIN)/python -m tools.screenshot

# The single file carries its requirements, at the versions that run on Python 3.9 and newer.
dist: $(READY)
	rm -rf build dist
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-compile --target build/pyz \
	  --python-version 3.9 --platform manylinux2014_x86_64 --only-binary :all: \
	  --requirement tools/pyz-requirements.txt dist/codeocean_cmdgen-*.whl
	find build/pyz -name '*.so' -delete
	rm -rf build/pyz/bin
	$(BIN)/python -m zipapp build/pyz --compress --python '/usr/bin/env python3' \
	  --main codeocean_cmdgen.__main__:main --output dist/codeocean-cmdgen.pyz

clean:
	rm -rf .venv build dist
