"""The test template of starts: subclass it, give `make`, and inherit the tests."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from flowfa.datasets.dataset import Dataset
from flowfa.problems import Ensemble, Problem, build_ensemble
from flowfa.problems.starts import STARTS, RandomStart
from flowfa.seeds import generator

RULES = ("gd", "fa", "adafa", "signfa", "dfa", "frsf")


class StartTestCase(ABC):
    """What every random start must do, for all built-in rules side by side.

    Attributes
    ----------
    widths : tuple of int
        Hidden widths of the networks it is tested on.
    """

    widths: tuple[int, ...] = (4, 3)

    @abstractmethod
    def make(self) -> RandomStart:
        """Return the start under test."""

    def ensemble(self, starts: int, seed: int = 3) -> Ensemble:
        """Return small networks with three outputs."""
        random = generator(7, "start test")
        data = Dataset(random.standard_normal((6, 5)), np.array([0, 1, 2, 2, 1, 0]))
        problem = Problem(data, self.widths, rule=RULES, initial=self.make())
        return build_ensemble(problem, starts, seed)

    def arrays(self, starts: int, seed: int = 3) -> dict[str, np.ndarray]:
        """Return all weights and feedback by rule and name, each (start, rows, columns)."""
        ensemble = self.ensemble(starts, seed)
        arrays = {f"W{layer}": w for layer, w in enumerate(ensemble.weights, start=1)}
        for rule, matrices in zip(RULES, ensemble.feedback, strict=True):
            arrays |= {f"{rule} {name}": matrix for name, matrix in matrices.items()}
        return arrays

    def test_is_registered_under_its_name(self) -> None:
        """Problems and files find it."""
        start = self.make()
        assert STARTS.get(start.name) is type(start)

    def test_shapes_are_those_of_the_network(self) -> None:
        """W_l is (out, in), B_l has the shape of W_l^T, D_l reaches from the output to layer l."""
        sizes, arrays = (5, *self.widths, 3), self.arrays(2)
        for layer in range(1, len(sizes)):
            assert arrays[f"W{layer}"].shape == (2, sizes[layer], sizes[layer - 1])
        for layer in range(2, len(sizes)):
            assert arrays[f"fa B{layer}"].shape == (2, sizes[layer - 1], sizes[layer])
        for layer in range(1, len(sizes) - 1):
            assert arrays[f"dfa D{layer}"].shape == (2, sizes[layer], sizes[-1])

    def test_numbers_are_finite_and_double(self) -> None:
        """A start that overflows would end every trajectory at once."""
        for array in self.arrays(3).values():
            assert array.dtype == np.float64 and np.isfinite(array).all()

    def test_start_does_not_depend_on_the_number_of_starts(self) -> None:
        """Start i of a seed is the same network however many there are."""
        few, many = self.arrays(2), self.arrays(5)
        for name, array in few.items():
            assert np.array_equal(array, many[name][:2])

    def test_starts_differ_and_so_do_seeds(self) -> None:
        """Nothing random is drawn twice from one stream."""
        weights, of_other_seed = self.arrays(2, seed=3)["W1"], self.arrays(2, seed=4)["W1"]
        assert not np.array_equal(weights[0], weights[1])
        assert not np.array_equal(weights[0], of_other_seed[0])

    def test_weights_are_the_same_under_every_rule(self) -> None:
        """Rules run side by side from the same networks, so that only the rules differ."""
        shared = self.ensemble(2)
        assert len(shared.feedback) == len(RULES)
        assert np.array_equal(shared.weights[1].transpose(0, 2, 1), shared.feedback[2]["B2"])
