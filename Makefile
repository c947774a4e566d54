# What can be done with the project. `make` alone lists it.

VENV ?= .venv
PYTHON ?=
ARGS ?=
CONSTRAINTS ?=
GPU ?=

PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
INSTALLED_TEST := $(VENV)/.installed-test
COPY := test-results/notebooks
# A copy without the reader's own models, which would change the outputs.
MAKE_COPY := rm -rf $(COPY) && mkdir -p $(COPY) && cp -R notebooks/. $(COPY) && find $(COPY) -name '*.safetensors' -delete
NOTEBOOKS = $(or $(ARGS),$(wildcard notebooks/[0-9]*.ipynb notebooks/solutions/[0-9]*.ipynb) notebooks/draw.ipynb)
COPIES = $(addprefix test-results/,$(NOTEBOOKS))
HAS_MNIST = $(PY) -c 'import sys; from mnist_nb import load_mnist; sys.exit(load_mnist().is_sample)'
# JupyterLab refuses to run as root, in a container for instance, unless told.
ALLOW_ROOT := $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)
ESLINT := npx --yes --prefer-offline eslint@9
NBVAL := --nbval-current-env --nbval-cell-timeout=300
# One test file at a time on each of three workers: a test that drives a browser mostly waits for it. Files are taken in
# the order of their names: the browser's take longest and come first, so that the workers end together.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help lab draw test test-fast lint format coverage notebooks html experiments screenshots bench constraints clean clean-all

help:  ## list what can be done
	@echo "make TARGET, where TARGET is one of:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Settings: PYTHON=/path/to/python  VENV=folder  ARGS=\"options for jupyter lab or pytest\""
	@echo "          CONSTRAINTS=constraints.txt installs the versions that the tests last passed with"
	@echo "          GPU=1 or GPU=0 installs PyTorch with or without support for NVIDIA cards"

lab: $(INSTALLED)  ## open notebooks of your own in JupyterLab (ARGS="--no-browser --port 8899" passes options on)
	@$(PY) tools/reader_copies.py my_notebooks && $(PY) -m jupyterlab $(ALLOW_ROOT) --notebook-dir=my_notebooks --LabApp.default_url=/lab/tree/01_explore_data.ipynb $(ARGS)

draw: $(INSTALLED)  ## open an empty drawing pad (ARGS as for lab)
	$(PY) -m mnist_nb draw -- $(ARGS)

test: lint  ## every check: lint, types, tests, and all notebooks compared with their outputs
	@$(MAKE_COPY)
	@if $(HAS_MNIST); then compare=--nbval; \
	else echo "NOTE: without the full MNIST the notebooks are run, but their outputs are not compared."; \
	compare=--nbval-lax; fi; \
	OMP_NUM_THREADS=1 $(PY) -m pytest $$compare $(NBVAL) $(PARALLEL) tests $(COPY) $(ARGS)

test-fast: $(INSTALLED_TEST)  ## the quick tests alone: no browser, no notebooks
	$(PY) -m pytest -q $(PARALLEL) -m "not browser and not slow" tests $(ARGS)

coverage: $(INSTALLED_TEST)  ## which branches of the package the tests take; 95 % or more is expected
	$(PY) -m pytest -q -m "not browser and not nightly" --cov --cov-report=term tests $(ARGS)

lint: $(INSTALLED_TEST)  ## style, types and the rooms' imports, notebooks included
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-logo
	@if $(ESLINT) --version >/dev/null 2>&1; then echo "eslint mnist_nb/widgets"; $(ESLINT) mnist_nb/widgets; \
	else echo "NOTE: npx cannot get eslint here, so the page's scripts are not linted."; fi

format: $(INSTALLED_TEST)  ## put code and notebooks into the common style
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

notebooks: $(INSTALLED_TEST)  ## execute all notebooks, or those in ARGS, and keep their outputs
	@$(HAS_MNIST) || { echo "The full MNIST is needed."; exit 1; }
	@$(MAKE_COPY)
	$(PY) -m nbconvert --to notebook --execute --inplace --ExecutePreprocessor.timeout=600 $(COPIES)
	@$(PY) tools/clean_notebooks.py $(COPIES)
	@for name in $(NOTEBOOKS); do cp test-results/$$name $$name; done

html: $(INSTALLED_TEST)  ## copies of the notebooks that any browser shows, in build/html
	$(PY) tools/make_html.py $(ARGS)

experiments: $(INSTALLED_TEST)  ## repeat the experiments that notebook 06 draws, 6 minutes (ARGS="width votes" for some)
	$(PY) experiments/run.py $(ARGS)

screenshots: $(INSTALLED_TEST)  ## take the README's pictures in a real JupyterLab and Chromium
	MNIST_NB_REQUIRE_BROWSER=1 MNIST_NB_PICTURES=docs/images $(PY) -m pytest -q tests/browser/test_pictures.py $(ARGS)

bench: $(INSTALLED_TEST)  ## measure speed against other libraries, an hour (ARGS="epochs --quick" for a part, quickly)
	@$(INSTALL) --extra bench
	$(PY) benchmarks/bench.py $(ARGS)

constraints: $(INSTALLED_TEST)  ## after make test passed: keep the versions it passed with, in constraints.txt
	@echo "# The versions that make test last passed with; refreshed by: make constraints" > constraints.txt
	$(PY) -m pip list --format=freeze --exclude-editable --exclude pip | sed 's/+.*//' >> constraints.txt

clean:  ## remove what tests and builds leave behind (not .venv, not your models)
	rm -rf test-results build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

clean-all: clean  ## the same and the virtual environment
	rm -rf $(VENV)

# A stamp holds the time of the last installation and its GPU=. It is repeated when pyproject.toml is newer or GPU= is
# another. The test extra includes the rest, so it sets both stamps.
INSTALL = $(PY) tools/install.py --gpu "$(GPU)" --constraint "$(CONSTRAINTS)"
STAMP = echo "$(GPU)" | tee
IGNORED := $(if $(GPU),$(shell grep -qsx "$(GPU)" $(INSTALLED) || rm -f $(INSTALLED) $(INSTALLED_TEST)))

# An environment whose Python is gone, because the system's was upgraded, is made again.
IGNORED := $(shell [ -x $(PY) ] || rm -f $(INSTALLED) $(INSTALLED_TEST))

$(PY):
	@python=$$(sh tools/find_python.sh "$(PYTHON)") && echo "Making $(VENV) with $$python" && \
	"$$python" -m venv --clear "$(VENV)"

# JupyterLab's first start would lay a question about Jupyter's news over the notebook.
LAB_SETTINGS := $(VENV)/share/jupyter/lab/settings
NO_NEWS := mkdir -p $(LAB_SETTINGS) && cp tools/lab_overrides.json $(LAB_SETTINGS)/overrides.json

$(INSTALLED): pyproject.toml | $(PY)
	@$(INSTALL)
	@$(NO_NEWS)
	@$(STAMP) $@ > /dev/null

$(INSTALLED_TEST): pyproject.toml | $(PY)
	@$(INSTALL) --extra test
	@$(NO_NEWS)
	@$(STAMP) $(INSTALLED) $@ > /dev/null
