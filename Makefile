# The commands of the course. `make` or `make help` lists them.
# Written for GNU make 3.81 as well, which is what macOS has.

# The Python that .venv is made with; any other: make PYTHON=python3.12 lab
PYTHON ?= python3
# Passed on to JupyterLab: make lab LAB_ARGS="--no-browser --port 8899"
LAB_ARGS ?=
# The same for Voila: make playground VOILA_ARGS="--no-browser --port 8898"
VOILA_ARGS ?=
# And to the test of the browser edition: make test-lite LITE_ARGS=--all-notebooks
LITE_ARGS ?=
# And to that of the site: make test-site SITE_ARGS=--all-pages
SITE_ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
FIRST := notebooks/00_start_here.ipynb

# The networks are small: a second BLAS thread costs more than it gives, and it would compete
# with the worker threads that the course is about. One name for each BLAS that NumPy may have.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export VECLIB_MAXIMUM_THREADS := 1

.PHONY: help lab playground student slides lite test-lite site test-site test test-kernels test-claims test-slice test-oldest test-parity lint types check-project test-browser notebooks pins clean FORCE

help:
	@echo "make lab           open the course in JupyterLab, setting everything up first"
	@echo "                   (LAB_ARGS=\"--no-browser --port 8899\" passes options on)"
	@echo "make playground    open the playground as a page of its own, without code"
	@echo "                   (VOILA_ARGS=\"--no-browser --port 8898\" passes options on)"
	@echo "make lite          build the browser edition, a site that needs no server, into build/lite"
	@echo "make test-lite     build it, and work it in a real browser, without a network"
	@echo "                   (needs Chromium and npm; LITE_ARGS=--all-notebooks runs them all)"
	@echo "make student       a copy of the course without solutions, in build/student"
	@echo "make slides        a deck of slides for each notebook, in build/slides (needs npm)"
	@echo "make site          build the notebooks, a glossary and the API as pages, into build/site"
	@echo "                   (needs npm, which fetches MathJax)"
	@echo "make test-site     build it, and look through it in a real browser"
	@echo "                   (needs Chromium; SITE_ARGS=--all-pages has axe look at all of them)"
	@echo "make test          run all tests, and every cell of every notebook"
	@echo "make test-kernels  run the tests of what is learned as other processors would"
	@echo "make test-claims   run the notebooks as another processor would, with other seeds"
	@echo "make test-slice    the quick tests of the core, for Pythons other than the first"
	@echo "                   (PYTHON=python3.13 VENV=build/python3.13 says which, and where)"
	@echo "make test-oldest   the tests, with the oldest version of every dependency"
	@echo "make lint          check the style and the format of code and notebooks"
	@echo "make types         check the types of the package"
	@echo "make check-project check workflows, forms, addresses, links, and the packages of a release"
	@echo "make test-parity   hold all derivatives against PyTorch's (installs it: a large download)"
	@echo "make test-browser  work the course's panels in a real browser (needs Chromium)"
	@echo "make notebooks     run the committed notebooks again and keep their outputs"
	@echo "make pins          move every pinned version up to the newest"
	@echo "make clean         remove what these commands made"
	@echo
	@echo "Everything is installed into .venv, by $(PYTHON). Another one: make PYTHON=python3.12 lab"

# The first address opens the first notebook. tools/jupyterlab/ answers No, before JupyterLab asks,
# to whether it should fetch its news and look for updates.
# It listens on localhost only and asks for its token: those are its defaults. To root, as one often
# is in a container, it refuses to start unless it is told that this is meant.
# tools/jupyter/ has what the servers are told: which kernels to end, and how a page is shown.
TOLD = JUPYTER_CONFIG_PATH="$(CURDIR)/tools/jupyter/etc$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
  JUPYTER_PATH="$(CURDIR)/tools/jupyter/share$${JUPYTER_PATH:+:$$JUPYTER_PATH}"
AS_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)
lab: $(VENV)/.course
	$(TOLD) $(PY) -m jupyterlab --LabApp.default_url=/lab/tree/$(FIRST) \
	  --LabApp.app_settings_dir=tools/jupyterlab $(AS_ROOT) $(LAB_ARGS)

# It listens on localhost only, which is Voila's default, and serves this one page.  No comparison
# on it may take longer than DNILAB_MINUTES.
playground: $(VENV)/.course
	DNILAB_MINUTES="$${DNILAB_MINUTES:-10}" $(TOLD) $(PY) -m voila pages/playground.ipynb $(VOILA_ARGS)

lite: $(VENV)/.course $(VENV)/.lite
	$(PY) tools/lite/build.py

# Pyodide comes out of packages of the registries, each file verified: tests/lite/pyodide.py.
test-lite: lite $(VENV)/.test $(VENV)/.browser
	$(PY) -m pytest -rs tests/lite $(LITE_ARGS)

student: $(VENV)/.test
	$(PY) tools/student_tree.py

slides: $(VENV)/.test
	$(PY) tools/slides/build.py

# Nothing is run: the notebooks are committed with their outputs.
site: $(VENV)/.site
	$(PY) tools/site/build.py

test-site: site $(VENV)/.test $(VENV)/.browser
	$(PY) -m pytest -n 2 tests/site $(SITE_ARGS)

# Two at a time; the cells of a notebook stay together and in order.
test: $(VENV)/.test
	$(PY) -m pytest -n 2 --dist loadfile

# The last bits of a matrix product differ from processor to processor: three kinds are tried,
# of which `make test` has run one.
test-kernels: $(VENV)/.test
	$(PY) tools/margins.py --seeds 1 --others --kernels Haswell SkylakeX Prescott

# What a notebook claims is asserted beside the sentence: with other seeds it has to hold as well.
test-claims: $(VENV)/.test
	$(PY) tools/claims.py

test-slice: $(VENV)/.test
	$(PY) -m pytest -n 2 tests/data tests/experiments tests/network tests/orderings tests/training tests/widgets

# uv, from PyPI, knows how to take the lowest version that pyproject.toml allows.
OLDEST := build/oldest
test-oldest:
	"$(PYTHON)" tools/check_python.py
	"$(PYTHON)" -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(OLDEST)/bin/python -m uv pip install --quiet --compile-bytecode --resolution lowest-direct \
	  --python $(OLDEST)/bin/python -e ".[cluster,test]"
	$(OLDEST)/bin/python -m pytest -n 2 --dist loadfile tests -m "not learned"

lint: $(VENV)/.lint
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(VENV)/.lint
	$(PY) -m mypy

check-project: $(VENV)/.project
	$(PY) tools/check_project.py

# Without torch these tests are skipped; here that it cannot be loaded is a failure.
test-parity: $(VENV)/.test $(VENV)/.parity
	$(PY) -c "import torch"
	$(PY) -m pytest -n 2 tests/parity

test-browser: $(VENV)/.course $(VENV)/.test $(VENV)/.browser
	$(PY) -m pytest -n 2 --dist loadfile tests/browser

notebooks: $(VENV)/.test
	$(PY) tools/execute_notebooks.py

pins:
	$(PYTHON) tools/check_python.py
	$(PYTHON) tools/update_pins.py

clean:
	rm -rf $(VENV) browser-artifacts build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Setting up. Each file below stands for something that is installed; it is made again when what
# it was made from has changed.

$(VENV)/.course: EXTRA := [cluster]
$(VENV)/.test: EXTRA := [cluster,test]
$(VENV)/.lint: EXTRA := [lint]
$(VENV)/.project: EXTRA := [project]
$(VENV)/.browser: EXTRA := [browser]
$(VENV)/.lite: EXTRA := [lite]
$(VENV)/.site: EXTRA := [site]
$(VENV)/.parity: EXTRA := [parity]
# Pinned here and not in constraints.txt: its own needs differ from machine to machine.
$(VENV)/.parity: MORE := torch==2.13.0
$(VENV)/.course $(VENV)/.test $(VENV)/.lint $(VENV)/.project $(VENV)/.browser $(VENV)/.lite $(VENV)/.site $(VENV)/.parity: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing into $(VENV): dnilab$(EXTRA). The first time takes a minute or two."
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt $(MORE) -e ".$(EXTRA)"
	@touch $@

$(VENV)/.made:
	@command -v "$(PYTHON)" > /dev/null || { echo "There is no $(PYTHON) here. Install Python 3.11 or newer: https://www.python.org/downloads/"; exit 1; }
	@"$(PYTHON)" tools/check_python.py
	rm -rf $(VENV)
	"$(PYTHON)" -m venv $(VENV)
	@pwd -P > $@

# An environment knows where it lies and which Python made it: where this folder was moved, or
# that Python is gone, it is made anew.
ifneq ($(shell test -x $(PY) && cat $(VENV)/.made),$(shell pwd -P))
$(VENV)/.made: FORCE
endif
