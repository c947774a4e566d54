"""A page with a network and a pad that needs no Python, and no Jupyter."""

from mnist_nb.widgets.page.export import export_page
