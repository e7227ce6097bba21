"""The sums are sums: checked against Python's own integers, of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.data import Dataset, binary_addition


def numbers(columns: np.ndarray) -> list[int]:
    """What rows of 0/1 say, most significant bit first, as Python integers."""
    return [int("".join(str(int(bit)) for bit in row), 2) for row in columns]


def operands(data: Dataset, bits: int) -> list[tuple[int, int]]:
    """The two numbers of every row, training rows first; data with inputs="binary"."""
    x = np.vstack([data.x_train, data.x_test])
    return list(zip(numbers(x[:, :bits]), numbers(x[:, bits:]), strict=True))


@pytest.mark.parametrize("bits", range(2, 65))
def test_every_label_is_the_sum_of_its_row(bits: int) -> None:
    rng = np.random.default_rng(bits)
    data = binary_addition(rng, 3, bits=bits, n_test=1, inputs="binary")
    sums = numbers(np.vstack([data.y_train, data.y_test]))
    assert sums == [a + b for a, b in operands(data, bits)]
    assert (data.inputs, data.outputs) == (2 * bits, bits)


def test_a_sum_by_hand() -> None:
    # with 2 bits the numbers are 0 and 1, so the four pairs are all there are
    data = binary_addition(np.random.default_rng(0), 3, bits=2, n_test=1, inputs="binary")
    rows = np.vstack(
        [np.hstack([data.x_train, data.y_train]), np.hstack([data.x_test, data.y_test])]
    )
    assert sorted(rows.astype(int).tolist()) == [
        [0, 0, 0, 0, 0, 0],  # 0 + 0 = 00
        [0, 0, 0, 1, 0, 1],  # 0 + 1 = 01
        [0, 1, 0, 0, 0, 1],  # 1 + 0 = 01
        [0, 1, 0, 1, 1, 0],  # 1 + 1 = 10: most significant bit first
    ]


@given(
    bits=st.integers(2, 64),
    n=st.integers(1, 40),
    n_test=st.integers(1, 20),
    seed=st.integers(0, 2**32),
)
def test_no_pair_is_drawn_twice_and_none_overflows(
    bits: int, n: int, n_test: int, seed: int
) -> None:
    pairs = 4 ** (bits - 1)
    if n + n_test > pairs:
        with pytest.raises(
            ValueError, match=rf"^n and n_test together are {n + n_test}; .*{pairs}"
        ):
            binary_addition(np.random.default_rng(seed), n, bits=bits, n_test=n_test)
        return
    rng = np.random.default_rng(seed)
    data = binary_addition(rng, n, bits=bits, n_test=n_test, inputs="binary")
    drawn = operands(data, bits)
    assert (len(data.x_train), len(data.x_test)) == (n, n_test)
    assert len(set(drawn)) == n + n_test
    assert all(a < 2 ** (bits - 1) and b < 2 ** (bits - 1) for a, b in drawn)
    assert numbers(np.vstack([data.y_train, data.y_test])) == [a + b for a, b in drawn]


@pytest.mark.parametrize("bits", [12, 32, 33])
def test_every_bit_but_the_first_is_0_and_1_about_equally_often(bits: int) -> None:
    data = binary_addition(np.random.default_rng(0), 2000, bits=bits, inputs="binary")
    share = data.x_train.mean(axis=0)
    free = np.ones(2 * bits, bool)
    free[[0, bits]] = False
    assert (share[~free] == 0).all()
    # five standard deviations of the mean of 2000 fair coins
    assert np.abs(share[free] - 0.5).max() < 5 * 0.5 / 2000**0.5


def test_centred_inputs_are_the_same_bits_written_as_minus_one_and_one() -> None:
    centred = binary_addition(np.random.default_rng(1), 50, n_test=10)
    binary = binary_addition(np.random.default_rng(1), 50, n_test=10, inputs="binary")
    assert set(np.unique(centred.x_train)) == {-1.0, 1.0}
    assert set(np.unique(binary.x_train)) == {0.0, 1.0}
    np.testing.assert_array_equal(centred.x_train, 2 * binary.x_train - 1)
    np.testing.assert_array_equal(centred.x_test, 2 * binary.x_test - 1)
    np.testing.assert_array_equal(centred.y_train, binary.y_train)
    np.testing.assert_array_equal(centred.y_test, binary.y_test)


def test_the_generator_decides_and_nothing_else() -> None:
    one, same, other = (
        binary_addition(np.random.default_rng(seed), 100, n_test=10).x_train for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("bits", [40])
def test_a_collision_among_wide_numbers_is_drawn_again(bits: int) -> None:
    class Repeating:
        """Draws the same row twice first, as chance would once in 2 ** 78 times."""

        calls = 0

        def integers(self, low: int, high: int, size: tuple[int, int]) -> np.ndarray:
            self.calls += 1
            drawn = np.random.default_rng(self.calls).integers(low, high, size=size)
            if self.calls == 1:
                drawn[1] = drawn[0]
            return drawn

    from dnilab.data.addition import _distinct_pairs

    rng: Any = Repeating()
    a, b = _distinct_pairs(rng, 5, bits)
    assert rng.calls == 2
    assert len(np.unique(np.hstack([a, b]), axis=0)) == 5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"bits": 1}, "bits is 1; it accepts a whole number of at least 2"),
        ({"bits": 2.0}, "bits is 2.0"),
        ({"n": 0}, "n is 0"),
        ({"n_test": 0}, "n_test is 0"),
        ({"inputs": "octal"}, "inputs is 'octal'; it accepts one of 'centred', 'binary'"),
        ({"bits": 3, "n": 16, "n_test": 1}, "n and n_test together are 17; .* only 16 different"),
        ({"rng": 0}, "rng is 0; it accepts a numpy.random.Generator"),
    ],
)
def test_what_is_out_of_range_is_named(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        binary_addition(**{"rng": np.random.default_rng(0), **arguments})
