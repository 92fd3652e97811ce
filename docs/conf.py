"""Sphinx settings."""

from importlib.metadata import version as installed_version

project = "flowfa"
author = "The flowfa developers"
copyright = "2026, The flowfa developers"
version = release = installed_version("flowfa")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
default_role = "code"
nitpicky = False

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Examples show results, not the last digits of rounding.
doctest_global_setup = """
import numpy as np
import torch
np.set_printoptions(precision=4, suppress=True)
torch.set_num_threads(1)
"""

html_theme = "furo"
html_title = "flowfa"
html_static_path: list[str] = []
