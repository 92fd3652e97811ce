"""Sphinx settings."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

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
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "gallery"]
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

# The gallery: `make gallery` runs every example, `make docs` the quickest, each of a few seconds.
sys.path.insert(0, str(Path(__file__).parent))
QUICK_EXAMPLES = r"/(elkabetz_2021|lillicrap_2016|refinetti_2021|saxe_2014)"
whole_gallery = os.environ.get("FLOWFA_GALLERY") == "all"
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "within_subsection_order": "FileNameSortKey",
    "filename_pattern": "/" if whole_gallery else QUICK_EXAMPLES,
    "run_stale_examples": whole_gallery,
    "abort_on_example_error": True,
    "image_scrapers": ("matplotlib", "gallery_figures.last_figure"),
    "reset_modules": ("matplotlib", "gallery_figures.use_style"),
    "ignore_repr_types": r"matplotlib|ShownFigure|'(list|tuple)'",
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}
