# make demo   the whole chain on a simulated radar, live in the terminal
# make test   lint, types, tests
# Both set up .venv on the first run and reuse it afterwards.

PYTHON ?= python3
DURATION ?= 60
BIN := .venv/bin

.PHONY: demo test clean

demo: .venv/.demo
	@$(BIN)/radarecg demo --duration $(DURATION)

test: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist loadfile

clean:
	rm -rf .venv

.venv/.%: pyproject.toml edge/dsp/_sst.c edge/dsp/_fft.h
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Setting up .venv ($*), a minute or two the first time ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
