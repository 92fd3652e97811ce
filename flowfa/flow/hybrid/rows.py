"""All neurons of all trajectories through one step: the compiled loop over rows."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from flowfa.flow.hybrid.neuron import integrate_neuron


@njit(cache=True, parallel=True)
def sweep_rows(
    gram: np.ndarray,
    scale: np.ndarray,
    alpha: float,
    h: np.ndarray,
    kind: np.ndarray,
    magnitudes: np.ndarray,
    R: np.ndarray,
    L: np.ndarray,
    R_poly: np.ndarray,
    L_poly: np.ndarray,
    to_monomial: np.ndarray,
    G: np.ndarray,
    H: np.ndarray,
    u: np.ndarray,
    A: np.ndarray,
    zeta: np.ndarray,
    v: np.ndarray,
    modes: np.ndarray,
    signs: np.ndarray,
    times: np.ndarray,
    first_integral: int,
    zeta_out: np.ndarray,
    v_out: np.ndarray,
    Y_out: np.ndarray,
    counts: np.ndarray,
    sound: np.ndarray,
) -> None:
    """Integrate every neuron; see `integrate_neuron` for what a row does.

    Leading dimensions: (trajectory, neuron, ...) for G, H, u, A, zeta, v, modes, signs,
    magnitudes; (trajectory, ...) for h, kind, R, L and their polynomials; (trajectory, time,
    neuron, ...) for the outputs; (trajectory, neuron, count) for `counts`, (trajectory, neuron)
    for `sound`. `gram` and `scale` have one entry for all trajectories, or one for each. The
    states zeta, v, modes and signs are those at the end on return.
    """
    trajectories, neurons, P = zeta.shape
    own_gram = gram.shape[0] > 1
    for row in prange(trajectories * neurons):
        i, j = row // neurons, row % neurons
        g = i if own_gram else 0
        sound[i, j] = integrate_neuron(  # type: ignore[call-arg]
            gram[g],
            scale[g],
            alpha,
            h[i],  # type: ignore[arg-type]
            kind[i],  # type: ignore[arg-type]
            magnitudes[i, j],
            R[i],
            L[i],
            R_poly[i],
            L_poly[i],
            to_monomial,
            G[i, j],
            H[i, j],
            u[i, j],
            A[i, j],
            zeta[i, j],
            v[i, j],
            modes[i, j],
            signs[i, j],
            times,
            first_integral,
            zeta_out[i, :, j],
            v_out[i, :, j],
            Y_out[i, :, j],
            counts[i, j],
            np.empty((4, P)),
        )
