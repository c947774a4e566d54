"""A page with a network and a pad, which needs neither Python nor Jupyter."""

from mnist_nb.widgets.page.export import export_page
