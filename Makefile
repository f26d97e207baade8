# Everything here may be run again and again: each target installs what it needs, and nothing twice.
#
#   ONCE=1            make demo ends by itself; its exit status says whether every step did what it should
#   ARGS="-k upload"  what make test hands to pytest; make bench takes --runs N, --json FILE, --against FILE, --plot DIR, NAMES;
#                     make faults takes --number N, --cuts N, --seed N, PARTS (kills, store, spool, database)
#   JOBS=1            make test runs so many tests at a time; else as many as there are processors
#   MINUTES=10        how long make fuzz goes on
#   PYTHON=python3.13 another Python than python3

BIN = .venv/bin
JOBS = $(shell nproc)
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help install demo test fuzz faults lint docs bench

help: ## Say what each target does
	@echo 'debusine: a build and QA farm for Debian packages'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18
	@sed -n 's/^#   /  /p' Makefile

install: ## Make .venv with debusine, its plugins and the developer's tools, and nothing else
	@scripts/prepare venv

demo: ## Build and check a real Debian package with a server, a worker and a client of this checkout
	@scripts/prepare packages venv worker
	@$(BIN)/python -m scripts.demo $(if $(ONCE),--once)

test: ## Run every test; those that this machine cannot run are skipped with their reason
	@scripts/prepare packages || echo 'Going on without: tests that need these packages are skipped.'
	@scripts/prepare venv
	@scripts/prepare worker || echo 'Going on without: tests that need a worker of its own are skipped.'
	@scripts/prepare s3 || echo 'Going on without: tests that need an S3 server are skipped.'
	@scripts/prepare browser || echo 'Going on without: tests that need a browser are skipped.'
	@$(BIN)/pytest -n $(JOBS) --dist loadfile $(ARGS)

fuzz: ## Send a server what nobody should send, for MINUTES (10), and watch it from inside
	@scripts/prepare venv
	@$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),10) $(ARGS)

faults: ## Kill a file store at every system call, and cut the power of disks while they are written; by root, in minutes
	@scripts/prepare faults venv
	@$(BIN)/python -m tests.faults $(ARGS)

lint: ## Check the style, the types and the layers
	@scripts/prepare venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: ## Write the documentation to docs/_build/html; every warning is an error
	@scripts/prepare venv
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo 'The documentation begins at docs/_build/html/index.html'

bench: ## Measure servers of this checkout on this machine, in about five minutes
	@scripts/prepare venv
	@$(BIN)/python -m benchmarks.run $(ARGS)
