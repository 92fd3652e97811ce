"""Panels of A-1: how well the weights align with the feedback, above the bounds of the theory."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flowfa.plots.curves import (
    Results,
    Shown,
    group,
    layers_with,
    parts_of,
    read_curves,
    rules_of,
    shown,
)
from flowfa.plots.panel import draw_bound, draw_panel
from flowfa.plots.sheet import Draw, Target, draw_sheet
from flowfa.plots.style import rule_styles
from flowfa.records import recorded_settings, weights_decay

#: The rules for which P-1 and L-1 prove a lower bound on the cosine.
P1_RULES = ("signfa",)
L1_RULES = ("fa", "adafa")
#: The activations in stock that L-1 is stated for.
DEGREE_ONE = ("leaky-relu", "identity")


def alignment(results: Results, *, ax: Target = None, style: str = "screen") -> Figure:
    """Draw cos(W_l, B_l^T) (A-1) of each layer with feedback, with the bounds of P-1 and L-1.

    Parameters
    ----------
    results : Run or xarray.DataTree, or several
        A result, as `flowfa.load` or `flowfa.simulate` returns it; several are laid over each
        other, a mapping names them.
    ax : Axes, or several, optional
        Where to draw instead, one for each panel, in a figure of your own.
    style : {"screen", "paper"}
        For a paper: without titles and IDs, at the width of a column or a page.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each layer.

    Raises
    ------
    InputError
        If the result lacks what is drawn.
    """
    drawn = shown(results)
    return draw_sheet(drawn, [alignment_panels(drawn)], ax=ax, style=style)


def alignment_panels(tree: Shown) -> list[Draw]:
    """Return the functions that draw the panels of `alignment`, one for each layer."""
    return [
        lambda axes, layer=layer: draw_alignment(axes, tree, layer)
        for layer in layers_with(tree, "alignment")
    ]


def draw_alignment(axes: Axes, results: Shown, layer: int) -> None:
    """Draw the alignment of layer l and its bounds into a panel."""
    curves = read_curves(results, "alignment", layer)
    draw_panel(
        axes, curves, f"Alignment of layer {layer} (A-1)", rf"$\cos(W_{layer}, B_{layer}^T)$"
    )
    styles = rule_styles(series.rule for series in curves)
    for label, tree in parts_of(results):
        for series in rules_of(tree):
            bound = alignment_bound(tree, series.partition(",")[0], layer)
            if f"{series}{label}" in styles:
                draw_bound(axes, bound, styles[f"{series}{label}"])
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]), top=1.04)


def alignment_bound(tree: xr.DataTree, rule: str, layer: int) -> float:
    """Return the lower bound that the theory puts on cos(W_l, B_l^T) under a rule.

    P-1 for signfa: ``1/sqrt(n_l n_{l-1})``. L-1 for fa and adafa, last layer, scalar output, no
    b_j = 0 and every kappa_j >= 0: ``min_j |b_j| / ||b||_2``, which differs by trajectory. L-1
    rests on C-1, which discrete steps do not conserve (C-11), nor weight decay (C-13), nor layers
    of different rates in these units (C-8): there only P-1 is left.

    Parameters
    ----------
    tree : xarray.DataTree
        A result with the groups /trajectory, /weights and /neurons.
    rule : str
        Name of the rule.
    layer : int
        The layer l >= 2.

    Returns
    -------
    float
        The bound that every trajectory of the rule obeys (the least one, for L-1); NaN where
        there is none, or where one trajectory does not satisfy the hypotheses.
    """
    weights = group(tree, "weights")
    if f"W{layer}" not in weights:
        return math.nan
    rows, columns = weights[f"W{layer}"].shape[-2:]
    if rule in P1_RULES:
        return 1.0 / math.sqrt(rows * columns)
    if "rate" in group(tree, "trajectory").variables or not _conserves(tree):
        return math.nan
    is_last = f"W{layer + 1}" not in weights
    if rule not in L1_RULES or rows != 1 or not is_last or f"B{layer}" not in weights:
        return math.nan
    chosen = group(tree, "trajectory")["rule"].values.astype(str) == rule
    neurons = group(tree, "neurons")
    kappa = neurons["kappa"].values[chosen][:, neurons["layer"].values == layer - 1]
    feedback = np.abs(weights[f"B{layer}"].values[chosen, :, 0])
    if not (kappa >= 0).all() or not (feedback > 0).all():
        return math.nan
    return float((feedback.min(axis=1) / np.linalg.norm(feedback, axis=1)).min())


def _conserves(tree: xr.DataTree) -> bool:
    """Return whether the flow was one that conserves C-1's quantity, as L-1 is stated for."""
    settings = recorded_settings(tree)
    rates = settings.get("layer_rates") or [1.0]
    return (
        not weights_decay(tree)
        and len(set(rates)) == 1
        and settings.get("activation", "leaky-relu") in DEGREE_ONE
        and settings.get("smooth_kinks") is None
    )
