# The project's commands. `make` alone lists them.

VENV ?= .venv
PYTHON ?=
ARGS ?=
CONSTRAINTS ?=
GPU ?=

PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
INSTALLED_TEST := $(VENV)/.installed-test
COPY := test-results/notebooks
# A copy without your own networks, which would change the outputs.
MAKE_COPY := rm -rf $(COPY) && mkdir -p $(COPY) && cp -R notebooks/. $(COPY) && find $(COPY) -name '*.safetensors' -delete
NOTEBOOKS = $(or $(ARGS),$(wildcard notebooks/[0-9]*.ipynb notebooks/solutions/[0-9]*.ipynb) notebooks/draw.ipynb)
COPIES = $(addprefix test-results/,$(NOTEBOOKS))
HAS_MNIST = $(PY) -c 'import sys; from mnist_nb import load_mnist; sys.exit(load_mnist().is_sample)'
# JupyterLab does not run as root, for instance in a container, without this option.
ALLOW_ROOT := $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)
ESLINT := npx --yes --prefer-offline eslint@9
NBVAL := --nbval-current-env --nbval-cell-timeout=300
# One test file at a time on each of three workers: a browser test mostly waits. Files run in the order of their names:
# browser tests take longest and come first, so that the workers finish together.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help lab draw test test-fast lint format coverage notebooks html experiments screenshots bench constraints clean clean-all

help:  ## list these commands
	@echo "make TARGET, where TARGET is one of:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Settings: PYTHON=/path/to/python  VENV=folder  ARGS=\"options for jupyter lab or pytest\""
	@echo "          CONSTRAINTS=constraints.txt installs the versions that last passed all tests"
	@echo "          GPU=1 or GPU=0 installs PyTorch with or without support for NVIDIA cards"

lab: $(INSTALLED)  ## open your own notebooks in JupyterLab (options: ARGS="--no-browser --port 8899")
	@$(PY) tools/reader_copies.py my_notebooks && $(PY) -m jupyterlab $(ALLOW_ROOT) --notebook-dir=my_notebooks --LabApp.default_url=/lab/tree/01_explore_data.ipynb $(ARGS)

draw: $(INSTALLED)  ## open an empty drawing pad (options as for lab)
	$(PY) -m mnist_nb draw -- $(ARGS)

test: lint  ## run every check: lint, types, tests, and all notebooks compared with their outputs
	@$(MAKE_COPY)
	@if $(HAS_MNIST); then compare=--nbval; \
	else echo "NOTE: without the full MNIST, the notebooks run but their outputs are not compared."; \
	compare=--nbval-lax; fi; \
	OMP_NUM_THREADS=1 $(PY) -m pytest $$compare $(NBVAL) $(PARALLEL) tests $(COPY) $(ARGS)

test-fast: $(INSTALLED_TEST)  ## run the quick tests only: no browser, no notebooks
	$(PY) -m pytest -q $(PARALLEL) -m "not browser and not slow" tests $(ARGS)

coverage: $(INSTALLED_TEST)  ## measure branch coverage; at least 95 % is required
	$(PY) -m pytest -q -m "not browser and not nightly" --cov --cov-report=term tests $(ARGS)

lint: $(INSTALLED_TEST)  ## check style, spelling, types and imports between packages, notebooks included
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/codespell -D- -D tools/words.txt $$(git ls-files 2>/dev/null)
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-logo
	@if $(ESLINT) --version >/dev/null 2>&1; then echo "eslint mnist_nb/widgets"; $(ESLINT) mnist_nb/widgets; \
	else echo "NOTE: npx cannot install eslint, so JavaScript is not linted."; fi

format: $(INSTALLED_TEST)  ## format code and notebooks
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

notebooks: $(INSTALLED_TEST)  ## execute all notebooks, or those in ARGS, and save their outputs
	@$(HAS_MNIST) || { echo "This needs the full MNIST: connect to the internet and try again."; exit 1; }
	@$(MAKE_COPY)
	$(PY) -m nbconvert --to notebook --execute --inplace --ExecutePreprocessor.timeout=600 $(COPIES)
	@$(PY) tools/clean_notebooks.py $(COPIES)
	@for name in $(NOTEBOOKS); do cp test-results/$$name $$name; done

html: $(INSTALLED_TEST)  ## write the notebooks as pages for any browser into build/html
	$(PY) tools/make_html.py $(ARGS)

experiments: $(INSTALLED_TEST)  ## repeat the experiments of notebook 06, 6 minutes (some: ARGS="width votes")
	$(PY) experiments/run.py $(ARGS)

screenshots: $(INSTALLED_TEST)  ## take the README's pictures again, in JupyterLab and Chromium
	MNIST_NB_REQUIRE_BROWSER=Chromium MNIST_NB_PICTURES=docs/images $(PY) -m pytest -q tests/browser/test_pictures.py $(ARGS)

bench: $(INSTALLED_TEST)  ## measure speed against other libraries, 1 hour (a part: ARGS="epochs --quick")
	@$(INSTALL) --extra bench
	$(PY) benchmarks/bench.py $(ARGS)

constraints: $(INSTALLED_TEST)  ## after make test passed, save the installed versions to constraints.txt
	@echo "# The versions that last passed make test; update with: make constraints" > constraints.txt
	$(PY) -m pip list --format=freeze --exclude-editable --exclude pip | sed 's/+.*//' >> constraints.txt

clean:  ## remove files left by tests and builds (not .venv, not your networks)
	rm -rf test-results build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

clean-all: clean  ## remove these and the virtual environment
	rm -rf $(VENV)

# A stamp file has the time of the last installation and its GPU=. Installation is repeated if pyproject.toml is newer or
# GPU= differs. The test extra includes the rest, so it sets both stamps.
INSTALL = $(PY) tools/install.py --gpu "$(GPU)" --constraint "$(CONSTRAINTS)"
STAMP = echo "$(GPU)" | tee
IGNORED := $(if $(GPU),$(shell grep -qsx "$(GPU)" $(INSTALLED) || rm -f $(INSTALLED) $(INSTALLED_TEST)))

# An environment without its Python, after an upgrade of the system's, is recreated.
IGNORED := $(shell [ -x $(PY) ] || rm -f $(INSTALLED) $(INSTALLED_TEST))

$(PY):
	@python=$$(sh tools/find_python.sh "$(PYTHON)") && echo "Making $(VENV) with $$python" && \
	"$$python" -m venv --clear "$(VENV)"

# Otherwise JupyterLab's first start asks about Jupyter's news, on top of the notebook.
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
