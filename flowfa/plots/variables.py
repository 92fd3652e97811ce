"""Panels of any variable that a result has over time, observables among them."""

from __future__ import annotations

from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flowfa.errors import InputError
from flowfa.plots.curves import (
    Overlay,
    Results,
    RuleCurves,
    Shown,
    are_ranked,
    group,
    is_constant,
    layers_with,
    neuron_curves,
    neuron_layers,
    parts_of,
    read_curves,
    sample_curves,
    shown,
)
from flowfa.plots.panel import draw_panel, draw_ranked
from flowfa.plots.sheet import Draw, Target, draw_sheet
from flowfa.registry import unknown_name


def panel_of(results: Results, *names: str, ax: Target = None, style: str = "screen") -> Figure:
    """Draw variables of a result over time, one row of panels for each.

    Parameters
    ----------
    results : Run or xarray.DataTree, or several
        A result, as `flowfa.load` or `flowfa.simulate` returns it; several are laid over each
        other, a mapping names them.
    *names : str
        Variables of /trajectory or /neurons that change with time, such as ``"loss"`` or an
        observable that the run was asked for. One that has a value for each layer or neuron has
        a panel for each layer; the neurons or samples of a rule are summarised together.
    ax : Axes, or several, optional
        Where to draw instead, one for each panel, in a figure of your own.
    style : {"screen", "paper"}
        For a paper: without titles and IDs, at the width of a column or a page.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If no name is given, or the result has no such variable.
    """
    drawn = shown(results)
    if not names:
        raise InputError("no variable was named: give one, such as 'loss'")
    rows = [variable_panels(drawn, name) for name in names]
    if all(len(row) == 1 for row in rows):
        # Variables of one panel each stand beside each other.
        panels = [row[0] for row in rows]
        rows = [panels[start : start + 3] for start in range(0, len(panels), 3)]
    still = [text for name in names for text in constants(drawn, name)]
    return draw_sheet(drawn, rows, ax=ax, style=style, left_out=still)


def variable_panels(results: Shown, name: str) -> list[Draw]:
    """Return the functions that draw the panels of a variable.

    Raises
    ------
    InputError
        If the result has no such variable.
    """
    trees = [tree for _, tree in parts_of(results)]
    for tree in trees:
        group_of = {
            str(key): group_name
            for group_name in ("trajectory", "neurons")
            for key, variable in group(tree, group_name).data_vars.items()
            if "time" in variable.dims
        }
        if name not in group_of:
            raise unknown_name("variable over time", name, group_of)
    tree = trees[0]
    variable = group(tree, group_of[name])[name]
    title = str(variable.attrs.get("long_name", name))
    unit = variable.attrs.get("units", "1")
    label = name if unit == "1" else f"{name} ({unit})"
    if group_of[name] == "neurons":
        return [
            partial(_neurons, results=results, name=name, layer=layer, title=title, label=label)
            for layer in neuron_layers(results)
        ]
    if "sample" in variable.dims:
        return [partial(_samples, results=results, name=name, title=title, label=label)]
    if "layer" not in variable.dims:
        return [partial(_curves, results=results, name=name, layer=None, title=title, label=label)]
    layers = layers_with(results, name)
    moving = [layer for layer in layers if not is_constant(read_curves(results, name, layer))]
    return [
        partial(_curves, results=results, name=name, layer=layer, title=title, label=label)
        for layer in moving or layers
    ]


def constants(results: Shown, name: str) -> list[str]:
    """Name the layers in which a variable is constant while it moves in others."""
    tree = parts_of(results)[0][1]
    variables = group(tree, "trajectory").data_vars
    if name not in variables or "layer" not in variables[name].dims:
        return []
    layers = layers_with(results, name)
    still = [layer for layer in layers if is_constant(read_curves(results, name, layer))]
    return [] if len(still) == len(layers) else [f"{name} of layer {layer}" for layer in still]


def _curves(
    axes: Axes, *, results: Shown, name: str, layer: int | None, title: str, label: str
) -> None:
    heading = title if layer is None else f"{title}, layer {layer}"
    draw_panel(axes, read_curves(results, name, layer), heading, label)


def _samples(axes: Axes, *, results: Shown, name: str, title: str, label: str) -> None:
    _entries(axes, sample_curves(results, name), results, title, label)


def _neurons(axes: Axes, *, results: Shown, name: str, layer: int, title: str, label: str) -> None:
    curves = neuron_curves(results, name, layer)
    _entries(axes, curves, results, f"{title}, layer {layer}", label)


def _entries(axes: Axes, curves: list[RuleCurves], results: Shown, title: str, label: str) -> None:
    """Draw values of all neurons or samples of a rule together; ordered ones rank by rank."""
    trajectories = len(read_curves(results, "loss")[0].values)
    ranks = len(curves[0].values) // trajectories
    if ranks > 1 and not isinstance(results, Overlay) and are_ranked(curves, ranks):
        draw_ranked(axes, curves, ranks, title, label)
    else:
        draw_panel(axes, curves, title, label)
