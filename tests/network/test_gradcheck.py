"""The two ways to measure a derivative, held against derivatives known by heart."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.network import complex_step, finite_difference, relative_error


@pytest.mark.parametrize(("measure", "tol"), [(complex_step, 1e-15), (finite_difference, 1e-8)])
def test_known_derivatives(measure, tol: float) -> None:  # type: ignore[no-untyped-def]
    x = np.array([[0.5, -1.0, 2.0], [1.0, 0.1, -0.3]])
    cube = measure(lambda v: (v**3).sum(), x)
    assert relative_error(cube, 3 * x**2) < tol
    mixed = measure(lambda v: np.exp(v[0, 0]) * v[1, 2], x)
    wanted = np.zeros((2, 3))
    wanted[0, 0], wanted[1, 2] = np.exp(0.5) * -0.3, np.exp(0.5)
    assert relative_error(mixed, wanted) < tol
    assert cube.dtype == float


@pytest.mark.parametrize("measure", [complex_step, finite_difference])
def test_the_point_is_left_alone(measure) -> None:  # type: ignore[no-untyped-def]
    x = np.array([1, 2])
    assert measure(lambda v: (v * v).sum(), x) == pytest.approx([2, 4])
    assert x.tolist() == [1, 2]


def test_relative_error() -> None:
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    assert relative_error(np.array([3.0, 4.0]), np.array([3.0, 4.0])) == 0
    assert relative_error(np.array([3.0, 4.0]), np.zeros(2)) == 1
    assert relative_error(np.array([3.0, 4.0]), -np.array([3.0, 4.0])) == 2  # a wrong sign
    assert relative_error(np.array([2.0]), np.array([1.0])) == 0.5  # a factor of 2
