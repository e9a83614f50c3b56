"""What tests compare results with."""

import pytest
import torch

from sk_portrait.testing.compare import relative_error


def test_the_error_is_relative_to_the_largest_value():
    assert relative_error(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 4.0])) == 0.25


@pytest.mark.parametrize(
    "got",
    [torch.tensor([float("nan"), 4.0]), torch.tensor([float("inf"), 4.0]), torch.tensor([4.0])],
    ids=str,
)
def test_a_result_that_is_not_finite_or_of_another_shape_is_neither_near_nor_far(got):
    error = relative_error(got, torch.tensor([2.0, 4.0]))
    assert not error <= 1e9 and not error > 0
