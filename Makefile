# make play    sets everything up and plays the bundled model    (MODEL=, SECONDS=, RECORD=, ARGS=)
# make test    sets everything up, training side included, and runs the whole suite    (TESTS=)
# make lint    ruff, mypy and the import contracts, as CI runs them
# make layouts writes the example layouts again, when the table of parameters has changed

.DEFAULT_GOAL := play
.PHONY: play test lint format layouts clean

VENV := .venv
BIN := $(VENV)/bin
# Two processes share the tests; only one runs those that play in real time: see tests/conftest.py.
SHARED := --numprocesses 2 --dist loadgroup --no-loadscope-reorder
PLAY_PACKAGES := python3 python3-venv libportaudio2 libegl1 libgl1 libdbus-1-3 libfontconfig1 libglib2.0-0 \
	libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 \
	libxcb-shape0 libxcb-xinerama0 libxcb-xkb1 fonts-dejavu-core
TEST_PACKAGES := jackd2 xvfb xauth xdotool fluidsynth fluid-soundfont-gm puredata-core zam-plugins gcc libc6-dev git nodejs

play: $(VENV)/play.done
	$(BIN)/glitch-live $(if $(MODEL),--model $(MODEL)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(RECORD),--record $(RECORD)) $(ARGS)

test: $(VENV)/test.done
	$(BIN)/python -m pytest $(SHARED) $(TESTS)

lint: $(VENV)/test.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

layouts: $(VENV)/play.done
	$(BIN)/glitch-live --layout examples/glitch-live.open-stage-control.json
	$(BIN)/glitch-live --layout examples/glitch-live.tosc

format: $(VENV)/test.done
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .


$(VENV)/play.done: pyproject.toml tools/system-packages
	tools/system-packages $(PLAY_PACKAGES)
	tools/make-venv $(VENV)
	$(BIN)/pip install -q -e .
	touch $@

$(VENV)/test.done: $(VENV)/play.done
	tools/system-packages $(TEST_PACKAGES)
	command -v npm >/dev/null || tools/system-packages npm  # some packages of nodejs bring it
	$(BIN)/pip install -q -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
