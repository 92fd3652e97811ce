"""The reduction to the span of the data treats each trajectory by itself."""

import pytest
import torch

from flowfa.flow.span import InputSpan


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_trajectory_is_split_and_restored_alike_whatever_is_beside_it(count):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    inputs, weights, moved = normal(8, 20), normal(7, 6, 20), normal(7, 6, 8)
    rows = torch.arange(7)
    whole = InputSpan(inputs, weights, rows)
    part = InputSpan(inputs, weights[:count], rows[:count])
    assert torch.equal(whole.coordinates[:count], part.coordinates)
    assert torch.equal(whole.outside_norm2[:count], part.outside_norm2)
    restored = whole.restore(whole.coordinates + moved, rows)
    few = whole.restore((whole.coordinates + moved)[:count], rows[:count])
    assert torch.equal(restored[:count], few)
