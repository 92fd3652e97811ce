"""How the gallery shows figures: those that flowfa returns, and pyplot's in flowfa's style."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt

from flowfa.plots import save
from flowfa.plots.style import SETTINGS


def use_style(gallery_conf: dict[str, Any], name: str) -> None:
    """Let pyplot draw as flowfa does; called before each example."""
    plt.rcParams.update(SETTINGS)
    plt.rcParams["savefig.dpi"] = 150.0


def last_figure(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figure that the last expression of a block returned, as a notebook would show it."""
    from sphinx_gallery.scrapers import figure_rst

    figure = block_vars["example_globals"].get("___")
    # A block that ends with a statement leaves the value of an earlier block there.
    if not hasattr(figure, "_repr_png_") or figure is block_vars.get("flowfa_figure"):
        return ""
    block_vars["flowfa_figure"] = figure
    path = next(block_vars["image_path_iterator"])
    save(figure, path)
    return figure_rst([path], gallery_conf["src_dir"])
