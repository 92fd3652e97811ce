"""Sphinx settings."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "flowfa"
author = "The flowfa developers"
copyright = "2026, The flowfa developers"
version = release = installed_version("flowfa")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "api_pages",
    "formulas",
    "statement_links",
]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_static", "gallery"]
templates_path = ["_templates"]
default_role = "code"
highlight_language = "text"
nitpicky = False

# One page for each public name, in a folder that Sphinx makes.
autosummary_generate = True
# Files whose names differ only in case are one file where the disk does not tell them apart.
autosummary_filename_map = {
    name: f"{name}-function"
    for name in (
        "flowfa.activation",
        "flowfa.dataset",
        "flowfa.experiments.models.resnet18",
        "flowfa.loss",
        "flowfa.rule",
        "theory_checks.check",
        "theory_checks.falsify.search",
        "theory_checks.laws.laws",
        "theory_checks.random_problems.rule_names",
    )
}
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {
    "Axes": "matplotlib.axes.Axes",
    "Field": "flowfa.flow.base.Field",
    "Figure": "matplotlib.figure.Figure",
    "Path": "pathlib.Path",
    "Solver": "flowfa.solvers.stepping.integration.Solver",
    "Tensor": "torch.Tensor",
    "array": "numpy.ndarray",
    "array_like": "numpy.ndarray",
    "bool": "bool",
    "boolean": "bool",
    "callable": "collections.abc.Callable",
    "hashable": "collections.abc.Hashable",
    "iterable": "collections.abc.Iterable",
    "iterator": "collections.abc.Iterator",
    "mapping": "collections.abc.Mapping",
    "ndarray": "numpy.ndarray",
    "path": "pathlib.Path",
    "sequence": "collections.abc.Sequence",
}
numpydoc_xref_ignore = {"of", "or", "optional", "several", "shape", "default"}

# What docstrings name of other packages is listed in files, so that no build asks a network.
ADDRESSES = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "torch": "https://docs.pytorch.org/docs/stable/",
    "xarray": "https://docs.xarray.dev/en/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
}
intersphinx_mapping = {
    name: (address, f"inventories/{name}.inv") for name, address in ADDRESSES.items()
}

# Examples show results, not the last digits of rounding.
doctest_global_setup = """
import numpy as np
import torch
np.set_printoptions(precision=4, suppress=True)
torch.set_num_threads(1)
"""

html_theme = "furo"
html_title = "flowfa"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"

# The gallery: `make gallery` runs every example, `make docs` the quickest, each of a few seconds.
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
