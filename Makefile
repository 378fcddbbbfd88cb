# make demo   the whole chain on a simulated radar, live in the terminal
# make test   lint, types, tests; without the slow ones, which .ci/run has too
# Both set up .venv on the first run and reuse it afterwards.
#
# make coverage         make test, and which lines the tests ran: build/coverage/index.html
# make docs             the documentation as a site: build/site/index.html; broken links are errors
# make container-test   builds the image, for arm64 and with the GPU backend on stand-ins, and tries it (Debian, as root)
# make sbom             what is in the image, and under which licences: build/sbom.cdx.json, build/licences.md;
#                       ROOT=FOLDER adds the packages of its base (docs/jetson.md)
# make lock             anew, which versions go into the image: deploy/lock

PYTHON ?= python3
DURATION ?= 80
BIN := .venv/bin

.PHONY: demo test coverage docs container-test sbom lock clean

demo: .venv/.demo
	@$(BIN)/radarecg demo --duration $(DURATION)

test: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist loadfile -m "not slow" $(PYTEST_OPTIONS)

coverage:
	@$(MAKE) test PYTEST_OPTIONS="--cov --cov-report=term --cov-report=html:build/coverage"

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

container-test: .venv/.dev
	tests/container/run.sh

sbom: .venv/.release
	$(BIN)/python deploy/sbom.py build $(ROOT)

LOCK := $(BIN)/uv pip compile --universal --python-version 3.10 --generate-hashes --no-annotate --quiet \
	--custom-compile-command 'make lock' --upgrade

lock: .venv/.release
	$(LOCK) deploy/lock/build.in --output-file deploy/lock/build.txt
	$(LOCK) pyproject.toml --extra cpu --extra signed --extra edf --output-file deploy/lock/onnxruntime.txt
	$(LOCK) pyproject.toml deploy/lock/nvrtc.in --extra engine --extra cpu --extra signed --extra edf --constraint deploy/lock/onnxruntime.txt \
		--output-file deploy/lock/tensorrt.txt

clean:
	rm -rf .venv

.venv/.%: pyproject.toml $(wildcard edge/*/_*.[ch] edge/*/*/_*.[ch])
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Setting up .venv ($*), a minute or two the first time ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@if [ $* = dev ]; then $(BIN)/python tests/helpers/driver/install_pycuda.py; fi
	@touch $@
