"""The panels for Jupyter: the only modules that know ipywidgets and ipycanvas."""
