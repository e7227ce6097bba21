"""The checkers of lesson 09: planted mistakes, and what is said to each."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from dnilab.lessons.convolutions.lesson09 import BATCH, check_kernel_gradient, check_with_labels
from dnilab.lessons.convolutions.network.layers import Conv2D
from dnilab.network import complex_step, relative_error


def windows(x, size, stride):
    return sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]


def gradient(x, dz, size, stride):
    """b r c k i j, and b r c o."""
    return np.einsum("brckij,brco->ijko", windows(x, size, stride), dz)


class TestKernelGradient:
    def test_right(self):
        assert check_kernel_gradient(gradient)

    def test_right_by_a_matrix_product(self):
        def by_matrix(x, dz, size, stride):
            X = windows(x, size, stride).transpose(0, 1, 2, 4, 5, 3)
            X = X.reshape(-1, size * size * x.shape[3])
            return (X.T @ dz.reshape(len(X), -1)).reshape(size, size, x.shape[3], -1)

        assert check_kernel_gradient(by_matrix)

    def test_its_truth_is_the_derivative(self):
        rng = np.random.default_rng(0)
        conv = Conv2D(2, 3, 3, rng, stride=2)
        x = rng.normal(size=(4, 7, 5, 2))
        dz = rng.normal(size=(4, 3, 2, 3))
        probe = conv.copy(complex)

        def agreement(W):
            probe.W[:] = W
            return (dz * probe(x)[0]).sum()

        assert relative_error(gradient(x, dz, 3, 2), complex_step(agreement, conv.W)) < 1e-12

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda *_: None, "is None"),
            (lambda *a: -gradient(*a), "wrong sign"),
            (lambda *a: gradient(*a) / BATCH, "too small by a factor 7: sum over the batch; only"),
            (lambda *a: gradient(*a) / 6, "too small by a factor 6: sum over the places"),
            (lambda *a: gradient(*a) / 42, "too small by a factor 42"),
            (lambda *a: gradient(*a).reshape(-1, 3), "Reshape it to W"),
            (lambda *a: gradient(*a).transpose(2, 0, 1, 3), "channels first"),
            (lambda *a: gradient(*a).transpose(1, 0, 2, 3), "mixed up"),
            (lambda *a: gradient(*a)[::-1, ::-1], "flipped"),
            (
                lambda *a: gradient(*a).transpose(2, 0, 1, 3).reshape(3, 3, 2, 3),
                "before the places",
            ),
            (
                lambda x, dz, size, stride: np.einsum(
                    "brckij,brco->ijko", windows(x, size, 1)[:, :3, :2], dz
                ),
                "stride pixels apart",
            ),
            (
                lambda x, dz, size, stride: np.einsum("brckij,brco->ijko", windows(x, size, 1), dz),
                "right for stride 1 alone",
            ),
            (
                lambda x, dz, size, stride: np.einsum("brckij,brco->jiko", windows(x, size, 1), dz),
                "stopped with ValueError",
            ),
            (lambda x, dz: dz, "stopped with TypeError"),
            (lambda x, dz, *a: (gradient(x, dz, *a), dz.sum(axis=(0, 1, 2))), "is tuple"),
            (lambda *a: gradient(*a)[0], "should be (3, 3, 2, 3)"),
            (3, "should be a function"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_kernel_gradient(answer)
        assert not verdict
        assert said in verdict.message


def joined(h, y):
    return np.concatenate([h, np.broadcast_to(y[:, None, None], (*h.shape[:3], y.shape[1]))], 3)


def with_axes(place):
    def answer(h, y):
        return np.concatenate([h, np.broadcast_to(y[place], (*h.shape[:3], y.shape[1]))], 3)

    return answer


def in_the_corner(h, y):
    both = joined(h, 0 * y)
    both[:, 0, 0, h.shape[3] :] = y
    return both


class TestWithLabels:
    def test_right(self):
        assert check_with_labels(joined)

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (lambda h, y: None, "is None"),
            (lambda h, y: h, "should be (5, 5, 5, 8)"),
            (lambda h, y: np.concatenate([joined(h, y)[..., 3:], h], 3), "Put them behind"),
            (with_axes(np.s_[None, :, None, :]), "one for each row of pixels"),
            (with_axes(np.s_[None, None, :, :]), "one for each column of pixels"),
            (in_the_corner, "in one pixel only"),
            (lambda h, y: np.concatenate([h, y], 3), "stopped with"),
        ],
    )
    def test_wrong(self, answer, said):
        verdict = check_with_labels(answer)
        assert not verdict
        assert said in verdict.message

    def test_h_must_not_change(self):
        def careless(h, y):
            h *= 2
            return joined(h, y)

        assert "in place" in check_with_labels(careless).message
