# Every task of the project. `make help` lists them; each sets up what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Versions are locked: Cargo.lock for Rust, requirements.lock (with hashes) for Python.
CARGO_DENY_VERSION := 0.20.2
# Arguments for `make train`, `make bench-python` and the like, e.g. make train ARGS="train.max_steps=200"
ARGS ?=
# Test files side by side; those that look at the clock come alone after them.
BESIDE := --numprocesses auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup train test test-rust test-python test-long lint format bench fuzz bench-python bench-prepare bench-checkpoint bench-train docs pictures screens lock clean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("chefgenius needs Python 3.11 or later, this is " + sys.version) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	touch $@

setup: $(VENV)/installed ## make .venv, install the locked dependencies, build the extension in release mode
	PIP_QUIET=1 $(BIN)/maturin develop --release --locked --quiet

train: setup ## train; without ARGS on the bundled recipes, in about three minutes
	$(BIN)/python -m chefgenius.train $(ARGS)

test: test-rust test-python ## every Rust and Python test

test-rust: ## the tests of the core
	cargo test --locked --quiet

test-python: setup ## the tests of the package
	$(BIN)/python -m pytest $(BESIDE) -m "not long and not alone"
	$(BIN)/python -m pytest -m "not long and alone"

test-long: setup ## the tests with the big numbers
	PROPTEST_CASES=10000 cargo test --locked --release --quiet
	$(BIN)/python -m pytest $(BESIDE) -m "not alone"
	$(BIN)/python -m pytest -m alone

lint: setup ## formatting, lints, types, licences and the direction of imports
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	cargo install cargo-deny --debug --locked --quiet --version $(CARGO_DENY_VERSION)
	cargo deny --log-level error check bans licenses sources
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --mypy-config-file tests/stubtest.ini chefgenius._core
	$(BIN)/lint-imports

format: setup ## format the code
	cargo fmt --all
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .

bench: ## benchmark the core, without Python
	cargo bench --locked

bench-python: setup ## measure the loader from Python beside numpy and a plain copy; ARGS=--quick for a look
	$(BIN)/python benches/python/loader.py $(ARGS)

bench-prepare: setup ## measure raw recipes to a ready store beside the tokenizers library; ARGS=--quick for a look
	$(BIN)/python benches/python/prepare.py $(ARGS)

bench-checkpoint: setup ## measure saving, loading and seeking beside torch.save and the Trainer; ARGS=--quick for a look
	$(BIN)/python benches/python/checkpoint.py $(ARGS)

bench-train: setup ## measure training beside transformers' Seq2SeqTrainer; ARGS=--quick for a look
	$(BIN)/python benches/python/train.py $(ARGS)

fuzz: ## run each fuzz target for a minute (needs a nightly compiler and cargo-fuzz)
	for target in $$(cargo +nightly fuzz list); do \
		cargo +nightly fuzz run $$target -- -max_total_time=60 || exit 1; \
	done

docs: setup ## build the documentation into target/site; a broken link or name is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

pictures: setup ## draw the pictures of the documentation anew
	for script in commit permutation way; do $(BIN)/python docs/pictures/$$script.py || exit 1; done

screens: setup ## show a real run anew: a terminal, and the report in a Chromium that is installed
	$(BIN)/python docs/pictures/screens.py

lock: $(VENV)/installed ## resolve requirements.lock anew from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra dev --no-emit-index-url --no-header \
		--generate-hashes --upgrade --quiet pyproject.toml -o requirements.lock

clean: ## remove what was built; runs and stores stay
	rm -rf $(VENV) target python/chefgenius/*.so
