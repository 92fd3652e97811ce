"""The test template of data sets: subclass it, give `name`, and inherit the tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from flowfa.datasets.dataset import Dataset
from flowfa.datasets.registry import DATASETS, make, per_trajectory
from flowfa.errors import InputError


class DatasetTestCase(ABC):
    """What every generator of data must do.

    Attributes
    ----------
    varies : bool
        Whether another seed gives other data.
    """

    varies: bool = True

    @abstractmethod
    def name(self) -> str:
        """Return the name that the generator under test is registered under."""

    def options(self) -> dict[str, Any]:
        """Return arguments that make a small set; by default those of the generator itself."""
        return {}

    def made(self, seed: int = 0) -> Dataset:
        """Return a set."""
        return make(self.name(), seed=seed, **self.options())

    def test_is_registered_under_its_name(self) -> None:
        """`flowfa.datasets.make` and the setting `dataset` find it."""
        assert self.name() in DATASETS.names()

    def test_seed_determines_the_data(self) -> None:
        """The same seed gives the same samples, bit for bit, and another seed others."""
        assert self.made(4).digest() == self.made(4).digest()
        assert (self.made(4).digest() != self.made(5).digest()) == self.varies

    def test_samples_are_numbers_with_labels_of_one_kind(self) -> None:
        """A data set is validated when it is made."""
        data = self.made()
        assert data.X.ndim == 2 and len(data.X) == len(data.y) > 0
        assert np.isfinite(data.X).all() and data.label_kind in ("binary", "classes", "targets")

    def test_records_say_where_it_came_from(self) -> None:
        """The name in records is that of the data set, and not the default for arrays."""
        assert self.made().name == self.name()

    def test_each_start_can_have_a_set_of_its_own(self) -> None:
        """Start 0 has the plain set; start i does not depend on the number of starts."""
        few = per_trajectory(self.name(), 2, seed=4, **self.options())
        many = per_trajectory(self.name(), 3, seed=4, **self.options())
        assert np.array_equal(few.X, many.X[:2]) and np.array_equal(few.y, many.y[:2])
        assert np.array_equal(few.X[0], self.made(4).X)

    def test_an_unknown_option_is_refused(self) -> None:
        """The message names the options that there are."""
        try:
            make(self.name(), seed=0, no_such_option=1)
        except InputError as error:
            assert "has no option" in str(error)
        else:
            raise AssertionError("an unknown option was accepted")
