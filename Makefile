# Two commands: `make run` starts the hotline on the embedded default, `make test` proves it.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
WORKERS ?= 6
PIP := $(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test check real bench-code bench-sms bench-voice clean

run: $(READY)
	@exec $(VENV)/bin/hotline serve --demo

# Six workers for two processors: most wait for calls to be over. Bytecode is kept: hundreds of processes start.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/.ready-test real
	$(VENV)/bin/python -m pytest -n $(WORKERS) --max-worker-restart 1 --dist loadscope --no-loadscope-reorder $(ARGS)

check: $(VENV)/.ready-test
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# The same call through this service and through a hand-written dialplan; under four minutes. Needs root.
bench-voice: $(VENV)/.ready-test real
	$(VENV)/bin/python -m bench.voice

# The text side beside Kannel, into one message centre; about two minutes. Installs Kannel and wrk: needs root on Debian.
bench-sms: $(VENV)/.ready-test
	@sh bench/install.sh
	$(VENV)/bin/python -m bench.sms

# Real peers (Asterisk, SIPp, Chromium) where this machine allows; says plainly what it leaves out.
real:
	@sh tests/real/install.sh

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; found " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	@echo "Setting up $(VENV) (about a minute, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -e .
	@touch $@

$(VENV)/.ready-test: $(READY)
	@$(PIP) 'pip>=25.1'
	@$(PIP) --group test -e .
	@touch $@

# How long a code waits while a campaign of 250,000 is being sent.
bench-code: $(VENV)/.ready-test
	$(VENV)/bin/python -m bench.code_lane $(ARGS)

clean:
	rm -rf $(VENV) var
