"""The Jupyter panels: the only modules that import ipywidgets and ipycanvas."""
