"""One trajectory's network as the compiled loop sees it: arrays and numbers, flat where ragged.

Samples that are positive multiples of one another (equal ones, where there are biases) have all
their kinks together, in every layer: they are one **ray**. In the first layer, where rays may be
opposite, a ray and its opposite have one **surface** on which both preactivations vanish. A
**pair** is a neuron with a surface (layer 1) or a ray (layers above).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flowfa.errors import InputError
from flowfa.flow.compiled_losses import LOSSES
from flowfa.flow.field import NetworkField
from flowfa.flow.surfaces import find_surfaces


class Network(NamedTuple):
    """What does not change along a trajectory.

    Layers are counted from 1 to L + 1, the last being the output; arrays by layer have an unused
    entry 0. Matrices of all layers lie one behind the other in flat arrays.

    Attributes
    ----------
    sizes : ndarray of int64, shape (L + 2,)
    weights_at, bias_at : ndarray of int64
        Where W_l and c_l begin in the state; -1 where there is no bias.
    surfaces, surfaces_transposed : ndarray, shape (surface, feature) and its transpose
    gram : ndarray, shape (surface, surface)
        Inner products, plus 1 where layer 1 has a bias.
    ray_surface, ray_factor : ndarray, shape (ray,)
        Ray p is ``ray_factor[p]`` times the direction of its surface; only the factor of an
        opposite ray is negative.
    sample_ray, sample_factor : ndarray, shape (sample,)
        Sample k is the factor, which is positive, times its ray; 0 for a sample that is zero.
    targets : ndarray, shape (output, sample)
    loss : int
    leak : float
    share : ndarray
        a of the feedback through each layer's weights (C-12).
    feedback_at : ndarray of int64
        Where B_l and M_l begin in `fixed` and `magnitudes`.
    fixed, magnitudes : ndarray
        Of shape (n_{l-1}, n_l), or (n_{l-1}, output) for direct feedback.
    signs_at : ndarray of int64
        Where the signs of W_l begin among the signs of all weights but W_1's; each layer's lie as
        W_l^T, (n_{l-1}, n_l).
    has_fixed, has_signs : ndarray of bool
    direct : bool
        Whether feedback comes from the output.
    pair_at, ray_at : ndarray of int64
        Where the pairs of layer l, and (neuron, ray), begin in flat arrays; the last is the size.
    """

    sizes: np.ndarray
    weights_at: np.ndarray
    bias_at: np.ndarray
    surfaces: np.ndarray
    surfaces_transposed: np.ndarray
    gram: np.ndarray
    ray_surface: np.ndarray
    ray_factor: np.ndarray
    sample_ray: np.ndarray
    sample_factor: np.ndarray
    targets: np.ndarray
    loss: int
    leak: float
    share: np.ndarray
    feedback_at: np.ndarray
    fixed: np.ndarray
    magnitudes: np.ndarray
    signs_at: np.ndarray
    has_fixed: np.ndarray
    has_signs: np.ndarray
    direct: bool
    pair_at: np.ndarray
    ray_at: np.ndarray


def network_of(field: NetworkField, row: int) -> Network:
    """Return one trajectory's network.

    Parameters
    ----------
    field : NetworkField
        That `one_hidden_layer.network.refusal` lets pass.
    row : int

    Raises
    ------
    InputError
        If direct feedback moves with the weights.
    """
    layout = field.layout
    sizes = np.array(layout.sizes, dtype=np.int64)
    layers = layout.layers
    weights_at, bias_at = np.zeros(layers + 1, np.int64), np.full(layers + 1, -1, np.int64)
    at = 0
    for name, shape in layout.shapes.items():
        (weights_at if name[0] == "W" else bias_at)[int(name[1:])] = at
        at += int(np.prod(shape))
    inputs = field.inputs.numpy() if field.inputs.ndim == 2 else field.inputs[row].numpy()
    targets = field.targets.numpy() if field.targets.ndim == 2 else field.targets[row].numpy()
    any_bias = bool((bias_at >= 0).any())
    surfaces, ray_surface, ray_factor, sample_ray, sample_factor = _merge(inputs, any_bias)
    gram = surfaces @ surfaces.T + (1.0 if bias_at[1] >= 0 else 0.0)
    group = next(group for group in field.groups if group.start <= row < group.stop)
    share = np.zeros(layers + 1)
    feedback_at, signs_at = np.zeros(layers + 2, np.int64), np.zeros(layers + 2, np.int64)
    has_fixed, has_signs = np.zeros(layers + 1, np.bool_), np.zeros(layers + 1, np.bool_)
    direct = group.rule.feedback_from == "output"
    fixed, magnitudes = [], []
    for layer in range(2, layers + 1):
        shape = (layout.sizes[layer - 1], layout.sizes[-1 if direct else layer])
        kept = {name: matrix[row - group.start][None] for name, matrix in group.kept.items()}
        # Not `form_of`, which gives nothing where feedback skips layers.
        form = group.rule.form(layer, (layout.sizes[layer], layout.sizes[layer - 1]), kept)
        assert form is not None
        share[layer] = float(form.weight_share)
        if direct and layer < layers and (share[layer] or form.magnitudes is not None):
            raise InputError(
                f"the rule {group.rule.name!r} has direct feedback that moves with the weights, "
                'which the event solver does not follow: take `solver="bosh3"`'
            )
        for terms, term, has in (
            (fixed, form.fixed, has_fixed),
            (magnitudes, form.magnitudes, has_signs),
        ):
            has[layer] = term is not None
            whole = np.zeros(shape)
            if term is not None:
                whole = whole + (term if isinstance(term, float) else np.asarray(term)[0])
            terms.append(whole.ravel())
        feedback_at[layer + 1] = feedback_at[layer] + shape[0] * shape[1]
        signs_at[layer + 1] = signs_at[layer] + sizes[layer] * sizes[layer - 1]
    pair_at, ray_at = np.zeros(layers + 1, np.int64), np.zeros(layers + 1, np.int64)
    for layer in range(1, layers):
        columns = len(surfaces) if layer == 1 else len(ray_surface)
        pair_at[layer + 1] = pair_at[layer] + sizes[layer] * columns
        ray_at[layer + 1] = ray_at[layer] + sizes[layer] * len(ray_surface)
    return Network(
        sizes,
        weights_at,
        bias_at,
        surfaces,
        np.ascontiguousarray(surfaces.T),
        gram,
        ray_surface,
        ray_factor,
        sample_ray,
        sample_factor,
        np.ascontiguousarray(targets, dtype=np.float64),
        LOSSES[type(field.loss)],
        float(field.leak),
        share,
        feedback_at,
        np.concatenate(fixed),
        np.concatenate(magnitudes),
        signs_at,
        has_fixed,
        has_signs,
        direct,
        pair_at,
        ray_at,
    )


def _merge(
    inputs: np.ndarray, any_bias: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return surfaces, the surface and factor of each ray, the ray and factor of each sample."""
    inputs = np.ascontiguousarray(inputs, dtype=np.float64)
    columns = np.ones((len(inputs), 1 if any_bias else 0))
    # With a bias anywhere only equal samples stay together in all layers, and none are opposite.
    found = find_surfaces(np.hstack([inputs, columns])[None])
    surface, factor = found.surface[0], found.factor[0]
    directions = found.directions[0][:, : inputs.shape[1]]
    keys = [(int(surface[k]), factor[k] > 0.0) for k in range(len(inputs)) if factor[k] != 0.0]
    rays = list(dict.fromkeys(keys)) or [(0, True)]
    index = {ray: number for number, ray in enumerate(rays)}
    of_samples = zip(surface, factor, strict=True)
    sample_ray = np.array([index.get((int(s), f > 0.0), 0) for s, f in of_samples])
    if any_bias:
        # The directions of length one include the constant; here they are the samples themselves.
        length = {index[int(s), True]: f for s, f in zip(surface, factor, strict=True)}
        directions = directions * np.array([length[number] for number in range(len(rays))])[:, None]
        factor = np.where(factor > 0.0, 1.0, 0.0)
    return (
        np.ascontiguousarray(directions),
        np.array([s for s, _ in rays], np.int64),
        np.array([1.0 if positive else -1.0 for _, positive in rays]),
        sample_ray.astype(np.int64),
        np.abs(factor),
    )
