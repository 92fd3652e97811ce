"""Panels of any variable that a result has over time, observables among them."""

from __future__ import annotations

from functools import partial

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flowfa.errors import InputError
from flowfa.plots.curves import (
    HasTree,
    group,
    layers_with,
    neuron_curves,
    neuron_layers,
    read_curves,
    sample_curves,
    tree_of,
)
from flowfa.plots.panel import draw_panel
from flowfa.plots.sheet import Draw, draw_sheet
from flowfa.registry import unknown_name


def panel_of(result: xr.DataTree | HasTree, *names: str) -> Figure:
    """Draw variables of a result over time, one row of panels for each.

    Parameters
    ----------
    result : xarray.DataTree or Run
        A result, as `flowfa.load` or `flowfa.simulate` returns it.
    *names : str
        Variables of /trajectory or /neurons that change with time, such as ``"loss"`` or an
        observable that the run was asked for. One that has a value for each layer or neuron has
        a panel for each layer; the neurons or samples of a rule are summarised together.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If no name is given, or the result has no such variable.
    """
    tree = tree_of(result)
    if not names:
        raise InputError("no variable was named: give one, such as 'loss'")
    return draw_sheet(tree, [variable_panels(tree, name) for name in names])


def variable_panels(tree: xr.DataTree, name: str) -> list[Draw]:
    """Return the functions that draw the panels of a variable.

    Raises
    ------
    InputError
        If the result has no such variable.
    """
    group_of = {
        str(key): group_name
        for group_name in ("trajectory", "neurons")
        for key, variable in group(tree, group_name).data_vars.items()
        if "time" in variable.dims
    }
    if name not in group_of:
        raise unknown_name("variable over time", name, group_of)
    variable = group(tree, group_of[name])[name]
    title = str(variable.attrs.get("long_name", name))
    unit = variable.attrs.get("units", "1")
    label = name if unit == "1" else f"{name} ({unit})"
    if group_of[name] == "neurons":
        return [
            partial(_neurons, tree=tree, name=name, layer=layer, title=title, label=label)
            for layer in neuron_layers(tree)
        ]
    if "sample" in variable.dims:
        return [partial(_samples, tree=tree, name=name, title=title, label=label)]
    if "layer" not in variable.dims:
        return [partial(_curves, tree=tree, name=name, layer=None, title=title, label=label)]
    return [
        partial(_curves, tree=tree, name=name, layer=layer, title=title, label=label)
        for layer in layers_with(tree, name)
    ]


def _curves(
    axes: Axes, *, tree: xr.DataTree, name: str, layer: int | None, title: str, label: str
) -> None:
    heading = title if layer is None else f"{title}, layer {layer}"
    draw_panel(axes, read_curves(tree, name, layer), heading, label)


def _samples(axes: Axes, *, tree: xr.DataTree, name: str, title: str, label: str) -> None:
    draw_panel(axes, sample_curves(tree, name), title, label)


def _neurons(
    axes: Axes, *, tree: xr.DataTree, name: str, layer: int, title: str, label: str
) -> None:
    draw_panel(axes, neuron_curves(tree, name, layer), f"{title}, layer {layer}", label)
