"""The checkers of lesson 03: right answers in several styles, planted mistakes and their words."""

from __future__ import annotations

import numpy as np
import pytest

from dnilab.lessons.synthetic_gradients.lesson03 import (
    BATCH,
    check_fitted,
    check_forward_and_guess,
    check_message,
    check_train_batch,
)
from dnilab.lessons.synthetic_gradients.training.by_hand import MISTAKES, step, train_batch
from dnilab.network import complex_step, relative_error
from dnilab.network.layers import sigmoid


def refused(verdict, said):
    assert not verdict
    assert said in verdict.message


# -- piece 1 ---------------------------------------------------------------------------------


def forward_and_guess(below, y, W, b, M, b_M):
    h = np.tanh(below @ W + b)
    s = np.concatenate([h, y], axis=1)
    return h, s, s @ M + b_M


def in_two_parts(below, y, W, b, M, b_M):
    h = np.tanh(np.einsum("bi,io->bo", below, W) + b)
    n = h.shape[1]
    return [h, np.hstack((h, y)), h @ M[:n] + y @ M[n:] + b_M]


@pytest.mark.parametrize("answer", [forward_and_guess, in_two_parts])
def test_forward_and_guess(answer):
    verdict = check_forward_and_guess(answer)
    assert verdict
    assert "as they should be" in verdict.message


def altered(h=None, s=None, g_hat=None):
    """The right answer with one of its lines changed."""

    def answer(below, y, W, b, M, b_M):
        a = below @ W + b
        of_h = np.tanh(a) if h is None else h(below, W, b, a)
        of_s = np.hstack([of_h, y]) if s is None else s(of_h, y, a)
        of_g = of_s @ M + b_M if g_hat is None else g_hat(of_h, y, of_s, M, b_M)
        return of_h, of_s, of_g

    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda *_: None, "is None"),
        (lambda *_: np.zeros(3), "returns one array; it should return h, s, g_hat"),
        (lambda *_: (1, 2), "returns 2 things"),
        (lambda *_: "later", "returns one str"),
        (altered(h=lambda below, W, b, a: np.tanh(below @ W)), "b is forgotten"),
        (altered(h=lambda below, W, b, a: np.tanh(below @ W - b)), "b is subtracted"),
        (altered(h=lambda below, W, b, a: a), "tanh is forgotten"),
        (altered(h=lambda below, W, b, a: np.tanh(below @ W) + b), "added after the tanh"),
        (altered(h=lambda below, W, b, a: 1 - np.tanh(a) ** 2), "the slope of the tanh, not"),
        (lambda *given: (forward_and_guess(*given)[0].T, 0, 0), "Transpose it?"),
        (altered(s=lambda h, y, a: np.hstack([y, h])), "y stands before h"),
        (altered(s=lambda h, y, a: np.hstack([a, y])), "holds a, from before the tanh"),
        (altered(s=lambda h, y, a: h, g_hat=lambda *_: 0), "the width of h alone"),
        (altered(g_hat=lambda h, y, s, M, b_M: s @ M), "b_M is forgotten"),
        (altered(g_hat=lambda h, y, s, M, b_M: s @ M - b_M), "b_M is subtracted"),
        (
            altered(g_hat=lambda h, y, s, M, b_M: np.hstack([y, h]) @ M + b_M),
            "the wrong way round",
        ),
        (altered(g_hat=lambda h, y, s, M, b_M: np.tanh(s @ M + b_M)), "The generator is linear"),
        (
            altered(g_hat=lambda h, y, s, M, b_M: (1 - h * h) * (s @ M + b_M)),
            "slope of the tanh is in it already",
        ),
        (altered(g_hat=lambda h, y, s, M, b_M: -(s @ M + b_M)), "g_hat has the wrong sign"),
        (lambda below, *_: below @ below, "A has 5 columns and B has 8 rows"),
        ("no function", "should be a function"),
    ],
)
def test_forward_and_guess_wrong(answer, said):
    refused(check_forward_and_guess(answer), said)


def test_the_inputs_of_the_forward_pass_must_not_change():
    def careless(below, y, W, b, M, b_M):
        below += 1
        return forward_and_guess(below, y, W, b, M, b_M)

    refused(check_forward_and_guess(careless), "in place")


# -- piece 2 ---------------------------------------------------------------------------------


def message(h, g_hat, W):
    return ((1 - h * h) * g_hat) @ W.T


def row_by_row(h, g_hat, W):
    return [W @ np.diag(1 - one**2) @ g for one, g in zip(h, g_hat, strict=True)]


@pytest.mark.parametrize("answer", [message, row_by_row])
def test_message(answer):
    assert check_message(answer)


def test_its_truth_is_the_derivative():
    rng = np.random.default_rng(5)
    x, W, g_hat = (rng.normal(size=size) for size in ((6, 5), (5, 4), (6, 4)))
    slope = complex_step(lambda x: (g_hat * np.tanh(x @ W)).sum(), x)
    assert relative_error(message(np.tanh(x @ W), g_hat, W), slope) < 1e-12


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda h, g_hat, W: None, "is None"),
        (lambda h, g_hat, W: g_hat, "is g_hat itself"),
        (lambda h, g_hat, W: (1 - h * h) * g_hat, "as wide as the module's output"),
        (lambda h, g_hat, W: -message(h, g_hat, W), "wrong sign"),
        (lambda h, g_hat, W: message(h, g_hat, W).T, "Transpose it?"),
        (lambda h, g_hat, W: message(h, g_hat, W) / BATCH, "too small by a factor 8"),
        (lambda h, g_hat, W: g_hat @ W.T, "slope of the tanh is missing"),
        (lambda h, g_hat, W: (g_hat * (1 - h)) @ W.T, "not 1 - h."),
        (lambda h, g_hat, W: (g_hat * h * (1 - h)) @ W.T, "that of the sigmoid"),
        (lambda h, g_hat, W: (g_hat * (1 - np.tanh(h) ** 2)) @ W.T, "h is the tanh already"),
        (lambda h, g_hat, W: (g_hat * (1 - h * h) ** 2) @ W.T, "in it twice"),
        (lambda h, g_hat, W: (g_hat * h) @ W.T, "multiplied by h"),
        (lambda h, g_hat, W: g_hat @ W, "A has 4 columns and B has 5 rows"),
    ],
)
def test_message_wrong(answer, said):
    refused(check_message(answer), said)


# -- piece 3 ---------------------------------------------------------------------------------


def fitted(M, b_M, s, g_hat, told, rate):
    e = g_hat - told
    return M - rate / len(s) * s.T @ e, b_M - rate * e.mean(axis=0)


def in_place(M, b_M, s, g_hat, told, rate):
    M -= (s.T @ (g_hat - told)) * (rate / len(s))
    b_M -= (g_hat - told).sum(axis=0) * (rate / len(s))
    return M, b_M


def in_place_and_silent(*arguments):
    in_place(*arguments)


def turned_round(M, b_M, s, g_hat, told, rate):
    return [M + rate * s.T @ (told - g_hat) / len(s), b_M + rate * (told - g_hat).mean(0)]


def guessing_again(M, b_M, s, g_hat, told, rate):
    return fitted(M, b_M, s, s @ M + b_M, told, rate)


RIGHT = [fitted, in_place, in_place_and_silent, turned_round, guessing_again]


@pytest.mark.parametrize("answer", RIGHT)
def test_fitted(answer):
    assert check_fitted(answer), check_fitted(answer).message


def test_its_truth_goes_down_the_squared_error():
    rng = np.random.default_rng(6)
    s, told, M, b_M = (rng.normal(size=size) for size in ((6, 5), (6, 3), (5, 3), 3))

    def error(M, b_M):
        return 0.5 * ((s @ M + b_M - told) ** 2).sum()

    new_M, new_b = fitted(M, b_M, s, s @ M + b_M, told, 6.0)
    assert relative_error(M - new_M, complex_step(lambda M: error(M, b_M), M)) < 1e-12
    assert relative_error(b_M - new_b, complex_step(lambda b_M: error(M, b_M), b_M)) < 1e-12


def changed(M=None, b_M=None):
    """The right answer with M or b_M replaced: functions of (before, after, s, g_hat, told)."""

    def answer(old_M, old_b, s, g_hat, told, rate):
        new_M, new_b = fitted(old_M, old_b, s, g_hat, told, rate)
        given = (s, g_hat, told)
        return (
            new_M if M is None else M(old_M, new_M, *given),
            new_b if b_M is None else b_M(old_b, new_b, *given),
        )

    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda *_: None, "is None"),
        (lambda M, *_: M, "returns one array; it should return M, b_M"),
        (changed(M=lambda old, new, *_: "x"), "M is str"),
        (changed(M=lambda old, new, *_: new + 1j), "complex"),
        (changed(M=lambda old, new, *_: np.full(old.shape, "x")), "array of numbers"),
        (changed(M=lambda old, new, *_: new.T), "Transpose it?"),
        (changed(M=lambda old, new, *_: old), "M comes back as it was"),
        (changed(b_M=lambda old, new, *_: old), "b_M comes back as it was"),
        (changed(M=lambda old, new, *_: 2 * old - new), "The step of M has the wrong sign"),
        (changed(b_M=lambda old, new, *_: 2 * old - new), "The step of b_M has the wrong sign"),
        (changed(M=lambda old, new, *_: old + BATCH * (new - old)), "too large by a factor 8"),
        (changed(b_M=lambda old, new, *_: old + (new - old) / BATCH), "too small by a factor 8"),
        (changed(M=lambda old, new, *_: old + (new - old) / 3), "by a factor 3: the rate"),
        (
            changed(M=lambda old, new, s, g, t: old - 3 / BATCH * s.T @ (g - t / BATCH)),
            "target is divided",
        ),
        (
            changed(b_M=lambda old, new, s, g, t: old - 3 * (g - t / BATCH).mean(axis=0)),
            "target is divided",
        ),
        (changed(b_M=lambda old, new, *_: old + (new - old).mean()), "one number for all units"),
        (changed(M=lambda old, new, *_: new - old), "without M: return M minus the step"),
        (changed(b_M=lambda old, new, *_: old - new), "b_M is left out"),
        (lambda M, b_M, s, *_: M @ s, "A has 4 columns and B has 8 rows"),
        (3, "should be a function"),
    ],
)
def test_fitted_wrong(answer, said):
    refused(check_fitted(answer), said)


def test_only_the_generator_may_change_in_place():
    def careless(M, b_M, s, g_hat, told, rate):
        g_hat -= told
        return M - rate / len(s) * s.T @ g_hat, b_M - rate * g_hat.mean(axis=0)

    refused(check_fitted(careless), "fitted changes g_hat in place")


# -- piece 4 ---------------------------------------------------------------------------------


def mine(net, x, y, rate, generator_rate):
    one, two, top = net[1], net[2], net[3]
    h1, s1, g_hat1 = forward_and_guess(x, y, one.W, one.b, one.M, one.b_M)
    step(x, (1 - h1 * h1) * g_hat1, one.W, one.b, rate)
    h2, s2, g_hat2 = forward_and_guess(h1, y, two.W, two.b, two.M, two.b_M)
    told1 = message(h2, g_hat2, two.W)
    step(h1, (1 - h2 * h2) * g_hat2, two.W, two.b, rate)
    in_place(one.M, one.b_M, s1, g_hat1, told1, generator_rate)
    g3 = sigmoid(h2 @ top.W + top.b) - y
    told2 = g3 @ top.W.T
    step(h2, g3, top.W, top.b, rate)
    in_place(two.M, two.b_M, s2, g_hat2, told2, generator_rate)


def another_style(net, x, y, rate, generator_rate):
    """New arrays in the place of the old, fits at the end, and other operations."""
    B, held, h = len(x), {}, x
    for k in (1, 2):
        one = net[k]
        out, s, g_hat = in_two_parts(h, y, one.W, one.b, one.M, one.b_M)
        da = g_hat * (1 - out**2)
        held[k], held["told", k - 1] = (s, g_hat), row_by_row(out, g_hat, one.W)
        one.W, one.b = one.W - rate * h.T @ da / B, one.b - rate * da.mean(axis=0)
        h = out
    top = net[3]
    da = 1 / (1 + np.exp(-(h @ top.W + top.b))) - y
    held["told", 2] = da @ top.W.T
    top.W, top.b = top.W - rate * h.T @ da / B, top.b - rate * da.mean(axis=0)
    for k in (2, 1):
        told = np.array(held["told", k])
        net[k].M, net[k].b_M = turned_round(net[k].M, net[k].b_M, *held[k], told, generator_rate)


@pytest.mark.parametrize("answer", [mine, train_batch])
def test_to_the_last_bit(answer):
    verdict = check_train_batch(answer)
    assert verdict, verdict.message
    assert verdict.message.endswith("to the last bit. You have built the method.")


def test_another_style_passes_and_is_told_about_rounding():
    verdict = check_train_batch(another_style)
    assert verdict, verdict.message
    assert "up to rounding: the largest relative difference is " in verdict.message
    assert "W -= (below.T @ da) * (rate / B)" in verdict.message
    difference = float(verdict.message.split("difference is ")[1].split(". ")[0])
    assert 0 < difference < 1e-11


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_has_its_sentence(mistake):
    def wrong(net, x, y, rate, generator_rate):
        train_batch(net, x, y, rate, generator_rate, mistake)

    refused(check_train_batch(wrong), MISTAKES[mistake])


def after_the_right_one(change):
    def answer(net, x, y, rate, generator_rate):
        mine(net, x, y, rate, generator_rate)
        change(net, x, y)

    return answer


def leave_out_the_top(net, x, y, rate, generator_rate):
    W, b = net[3].W.copy(), net[3].b.copy()
    mine(net, x, y, rate, generator_rate)
    net[3].W, net[3].b = W, b


def remembering():
    """Right in its first batch, and wrong from the second on."""
    seen = []

    def answer(net, x, y, rate, generator_rate):
        seen.append(1)
        mine(net, x, y, rate if len(seen) < 3 else 2 * rate, generator_rate)

    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda *_: None, "leaves the network as it is"),
        (leave_out_the_top, "W3, b3 should have changed, and have not"),
        (after_the_right_one(lambda net, x, y: vars(net[2]).update(W=0)), "W2 has shape ()"),
        (after_the_right_one(lambda net, x, y: vars(net[1]).update(M="M")), "net[1].M is no array"),
        (after_the_right_one(lambda net, x, y: vars(net[1]).pop("b")), "net[1].b is no array"),
        (
            after_the_right_one(lambda net, x, y: vars(net[2]).update(M=net[2].M * 2)),
            "M2 differ from what they should be; right are W1, b1",
        ),
        (after_the_right_one(lambda net, x, y: vars(net[2]).update(M=net[2].M * np.nan)), "M2 dif"),
        (after_the_right_one(lambda net, x, y: x.sort()), "in place"),
        (remembering(), "One batch comes out right, but after 50"),
        (lambda net, x, *_: net[1].W @ x, "A has 5 columns and B has 8 rows"),
        ("no function", "should be a function"),
    ],
)
def test_train_batch_wrong(answer, said):
    refused(check_train_batch(answer), said)
