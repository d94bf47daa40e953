PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FXD := $(BIN)/fxd --home .
# Several threads of a linear algebra library in several processes on few cores only wait for each other.
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test test-long survive crash power remedies fuzz big load live live-soak lint types check factory bench-table clean

help:
	@echo "make demo         set up .venv, process the clips of tests/audio with both engines, print the statistics"
	@echo "make test         run the test suite, but for what takes long"
	@echo "make test-long    run those of its tests that take long (some minutes)"
	@echo "make survive      run the slow tests of what fxd has to survive, some as root only (half an hour)"
	@echo "make crash        interrupt fxd in every call that changes a disk (hours); goes on where it was"
	@echo "make power        cut the power of a disk at every moment (half an hour); goes on where it was"
	@echo "make remedies     take out what fxd survives by, piece by piece, and see that a test fails (five minutes)"
	@echo "make fuzz         throw 20,000 damaged sound files at the workers (ten minutes); goes on where it was"
	@echo "make big          a sound whose results are larger than a WAV can be (some minutes, 12 GB of disk)"
	@echo "make check        linter, formatter and type checker"
	@echo "make bench-table  measure the engines, and put the tables into README.md (two minutes)"
	@echo "make load         ten thousand files at once, and a log of a million runs (a quarter of an hour)"
	@echo "make live         how hard playing is, and what is late: ten minutes a row (two hours)"
	@echo "make live-soak    half an hour of switching between two equal engines (six minutes)"
	@echo "make factory      train the models that ship with fxd anew (three hours)"
	@echo "make clean        remove .venv and caches; inbox, outbox, models and db stay"

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fxd needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,postgres]'
	touch $@

demo: $(VENV)/ready
	mkdir -p inbox
	cp tests/audio/*.flac inbox/
	$(FXD) start --once
	$(FXD) stats --last 18
	@echo
	@echo "The network that ships with fxd was trained on 14 of these 18 clips. It never heard bass_thick_c, loop_amen,"
	@echo "loop_breakbeat and perc_bell: those four tell how it does on new material."
	@echo "Listen: outbox/NAME.dsp.wav is the tube saturator, outbox/NAME.tcn.wav the network that learned it."
	@echo "Compare for instance outbox/guit_e_fifths.dsp.wav with outbox/guit_e_fifths.tcn.wav."

test: $(VENV)/ready
	tests/install-tools.sh
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow and not long"

test-long: $(VENV)/ready
	tests/install-tools.sh
	$(BIN)/pytest -n 2 --dist loadfile -m "long and not slow"

survive: $(VENV)/ready
	tests/install-tools.sh
	$(BIN)/pytest -m slow --timeout 3600

big: $(VENV)/ready
	$(BIN)/python -m tests.big

crash: $(VENV)/ready
	tests/install-tools.sh
	mkdir -p build
	$(BIN)/python -m tests.crash --resume build/crash.jsonl

power: $(VENV)/ready
	tests/install-tools.sh
	$(BIN)/python -m tests.crash.power --resume

remedies: $(VENV)/ready
	tests/install-tools.sh
	$(BIN)/python -m tests.remedies

fuzz: $(VENV)/ready
	$(BIN)/python -m tests.fuzz --count 20000

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready
	$(BIN)/mypy

check: lint types

load: $(VENV)/ready
	$(BIN)/python -m tests.load.flood
	$(BIN)/python -m tests.load.million

live: $(VENV)/ready
	tests/install-tools.sh
	$(BIN)/python -m tests.load.live

live-soak: $(VENV)/ready
	tests/install-tools.sh
	$(BIN)/python -m tests.load.live --soak 30

factory: $(VENV)/ready
	$(BIN)/python -m fxd.factory.make

bench-table: $(VENV)/ready
	mkdir -p build
	$(FXD) bench --markdown tests/audio/*.flac > build/bench.md
	$(BIN)/python -m fxd.insight.bench.readme README.md build/bench.md

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find fxd tests -name __pycache__ -type d -prune -exec rm -rf {} +
