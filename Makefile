# make demo: send a photograph over a noisy channel.  make test: lint, check types and test.
# make test-web: drive the page in Chromium (make web-tools installs it, on Debian, as root).
# make test-scale: lose a machine of a cluster half-way.
# make fuzz SECONDS=60: change files for so long and have every reader read them.  All set up .venv first.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
DEMO := out/demo

.PHONY: demo test test-web test-scale fuzz docs sums air-tools web-tools clean

demo: $(READY)
	mkdir -p $(DEMO)
	$(BIN)/python -c "from skimage import data, io; io.imsave('$(DEMO)/astronaut.png', data.astronaut())"
	$(BIN)/semwave send $(DEMO)/astronaut.png --out $(DEMO) --report $(DEMO)/report.json
	@echo "sent:                 $(DEMO)/astronaut.png"
	@echo "received:             $(DEMO)/astronaut.received.png"
	@echo "sent beside received: $(DEMO)/astronaut.comparison.png"
	@echo "report:               $(DEMO)/report.json"
	@echo "the same as a page:   $(BIN)/semwave serve"

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyrefly check --output-format min-text
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n auto --dist loadfile

# What a user does on the page. "make test" runs these too, where Chromium is there.
test-web: $(READY)
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -rs tests/apps/web

# Two machines of a Ray cluster, one of which is lost while PHOTOS photographs are sent: some ten minutes.
PHOTOS ?= 200

test-scale: $(READY)
	SEMWAVE_TEST_SCALE=$(PHOTOS) OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -rs tests/work/test_two_nodes.py

SECONDS ?= 60

fuzz: $(READY)
	$(BIN)/python scripts/fuzz.py --seconds $(SECONDS)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'semwave needs Python 3.11 or newer')"
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	$(BIN)/semwave setup
	touch $@

# The documentation as a site, the notebook run: out/docs/index.html. A warning is an error.
docs: $(READY)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html -D nb_execution_mode=force docs out/docs

# After weights have changed: what semwave models --verify compares them with.
sums:
	cd src/semwave/weights && sha256sum */*.safetensors > SHA256SUMS

# GNU Radio, headless, for the tests of the air and examples/gnuradio; Debian or Ubuntu, as root.
air-tools:
	apt-get install --yes --no-install-recommends gnuradio

# Chromium for the tests of the page; Debian or Ubuntu, as root.
web-tools:
	apt-get install --yes --no-install-recommends chromium

clean:
	rm -rf .venv out build src/*.egg-info .pytest_cache .ruff_cache .hypothesis
