"""What figures need of a check while it runs: margins over time, and signs of output weights."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Measurement


@dataclass(frozen=True)
class Trace:
    """The margins of one trajectory over time, at each time those of the worst item.

    Attributes
    ----------
    trajectory : int
    rule : str
    note : str
        Of the measurement.
    time, margin, uncertainty : numpy.ndarray
        (time,), where the margins count, by increasing time.
    """

    trajectory: int
    rule: str
    note: str
    time: np.ndarray
    margin: np.ndarray
    uncertainty: np.ndarray

    @property
    def rank(self) -> tuple[bool, float]:
        """What orders traces from worst to best: violations first, then by the least room.

        What is not a number has none.
        """
        room = self.margin - self.uncertainty
        least = float(room.min()) if np.isfinite(room).all() else -np.inf
        return not bool((self.margin < -self.uncertainty).any()), least


@dataclass
class Traces:
    """Collects what `theory_checks.check` measured, if given to it as ``traces``.

    Attributes
    ----------
    margins : dict
        Traces by statement.
    signs : dict
        Signs of the output layer's weights by trajectory, (time, output, neuron) int8.
    times : dict
        The times of `signs` by trajectory, (time,).
    """

    margins: dict[str, list[Trace]] = field(default_factory=dict)
    signs: dict[int, np.ndarray] = field(default_factory=dict)
    times: dict[int, np.ndarray] = field(default_factory=dict)

    def take_signs(self, evidence: Evidence) -> None:
        """Keep the signs of output weights at the times saved, on the finest rung."""
        layout = evidence.flow.layout
        states = evidence.paths[-1].states[:, ::2]
        for position, row in enumerate(evidence.rows.tolist()):
            known = states[position].isfinite().all(1)
            weights = layout.views(states[position][known])[f"W{layout.layers}"]
            self.signs[row] = weights.sign().to(torch.int8).numpy()
            self.times[row] = evidence.times[::2][known].numpy()

    def take_margins(
        self,
        spec: str,
        evidence: Evidence,
        measurements: tuple[Measurement, ...],
        positions: list[int],
    ) -> None:
        """Keep the margins of some trajectories, reduced to the worst item of each time."""
        kept = self.margins.setdefault(spec, [])
        for measurement in measurements:
            uncertainty = measurement.uncertainty + measurement.remainder
            room = (measurement.margin - uncertainty).nan_to_num(-torch.inf, torch.inf, -torch.inf)
            worst = torch.where(measurement.valid, room, torch.inf).argmin(2, keepdim=True)
            valid, time, margin, off = (
                values.gather(2, worst).squeeze(2)
                for values in (measurement.valid, measurement.time, measurement.margin, uncertainty)
            )
            for position in positions:
                counts = valid[position]
                if counts.any():
                    order = time[position][counts].argsort()
                    kept.append(
                        Trace(
                            int(evidence.rows[position]),
                            evidence.rules[position],
                            measurement.note,
                            *(
                                part[position][counts][order].numpy()
                                for part in (time, margin, off)
                            ),
                        )
                    )
