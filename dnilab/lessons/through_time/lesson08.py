"""Lesson 08: back through one step of a plain cell, and the target of a guess at the cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from dnilab.exercises import Function, Verdict, checker, judge_call

BATCH, N_IN, WIDTH, N_OUT, STEPS = 7, 3, 5, 2, 4  # all different, so that a wrong shape shows
BACKWARDS = range(STEPS - 1, -1, -1)
Step = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
FACTORS = {"the batch size. A gradient here is that of the summed loss": BATCH}


@checker
def check_back_one_step(back_one_step: Function) -> Verdict:
    """Check ``back_one_step(h_before, x, W, U, b, dh)`` -> the gradient at the state before.

    h = tanh(x W + h_before U + b).  Shapes: h_before and dh (batch, width), x (batch, n_in),
    W (n_in, width), U (width, width), b (width,); answer (batch, width).
    """
    rng = np.random.default_rng(8)
    h_before, dh = rng.normal(size=(2, BATCH, WIDTH))
    x, W, b = rng.normal(size=(BATCH, N_IN)), rng.normal(size=(N_IN, WIDTH)), rng.normal(size=WIDTH)
    U = rng.normal(size=(WIDTH, WIDTH))
    h = np.tanh(x @ W + h_before @ U + b)
    da = dh * (1 - h**2)
    call, given = "back_one_step(h_before, x, W, U, b, dh)", (h_before, x, W, U, b, dh)
    slope, without_bias = 1 - h**2, np.tanh(x @ W + h_before @ U)
    slope_before = 1 - h_before**2
    wrong_order = (
        "the factors are in the wrong order: the slope belongs to the new state, so dh meets it "
        "first, and U after it."
    )
    at_the_old_state = (
        "the slope is taken at the state before: it is that of the new state, 1 - h^2."
    )
    mistakes = {
        "U is not transposed. It is square, so no shape gives that away.": da @ U,
        "the slope of the tanh is missing.": dh @ U.T,
        "the slope of the tanh is missing, and U is not transposed.": dh @ U,
        at_the_old_state: (dh * slope_before) @ U.T,
        f"{at_the_old_state} And it comes before the product with U.": (dh @ U.T) * slope_before,
        wrong_order: (dh @ U.T) * slope,
        "the bias is forgotten: the new state is tanh(x W + h_before U + b).": (
            (dh * (1 - without_bias**2)) @ U.T
        ),
        "the slope is 1 - h^2, with h squared, and not 1 - h.": (dh * (1 - h)) @ U.T,
        "it is the gradient before the product with U: dh times the slope.": da,
    }
    return judge_call(call, back_one_step, given, da @ U.T, mistakes, FACTORS)


@checker
def check_target_of_the_guess(target_of_the_guess: Function) -> Verdict:
    """Check ``target_of_the_guess(dhs, slopes, U, g_hat)`` -> the target of the guess at the cut
    before these steps.

    The segment has T steps of a plain cell.  ``dhs[t]`` (batch, width): what the loss of step t
    says about the state after step t directly.  ``slopes[t]`` (batch, width): 1 - h^2 of that
    state.  ``g_hat`` (batch, width): the segment's own guess at its end.  Answer (batch, width):
    the gradient at the state before the first step.
    """
    rng = np.random.default_rng(9)
    dhs = rng.normal(size=(STEPS, BATCH, WIDTH))
    slopes = rng.uniform(0.2, 1, size=dhs.shape)
    U = rng.normal(size=(WIDTH, WIDTH)) / 2
    g_hat = rng.normal(size=(BATCH, WIDTH))

    def back(step: Step, last: np.ndarray = g_hat, order: Iterable[int] = BACKWARDS) -> np.ndarray:
        g = last
        for t in order:
            g = step(g, dhs[t], slopes[t])
        return g

    def right_step(g: np.ndarray, dh: np.ndarray, slope: np.ndarray) -> np.ndarray:
        return ((g + dh) * slope) @ U.T

    nothing = 0 * g_hat
    right, own = back(right_step), back(right_step, nothing)
    to_the_first = back(right_step, order=BACKWARDS[:-1])
    call, given = "target_of_the_guess(dhs, slopes, U, g_hat)", (dhs, slopes, U, g_hat)
    mistakes = {
        "the segment's own guess at its end is missing: without it the target ends at the next "
        "cut, and no credit ever comes from further away.": own,
        "only the guess is carried back: the losses of the segment itself are missing.": (
            back(lambda g, dh, slope: (g * slope) @ U.T)
        ),
        "the steps are taken from the first to the last. Go backwards in time.": (
            back(right_step, order=BACKWARDS[::-1])
        ),
        "the guess is added at the start of the segment. It stands at its end, and has to be "
        "carried back through the segment.": own + g_hat,
        "it is the difference to the guess. The target is what comes out at the first state.": (
            right - g_hat
        ),
        "it ends at the state after the first step: one more step, through its slope and U, "
        "leads to the state before it.": to_the_first + dhs[0],
        "the first step is left out: t goes down to 0.": to_the_first,
        "the last step is left out: t begins at T - 1.": back(right_step, order=BACKWARDS[1:]),
        "U is not transposed. It is square, so no shape gives that away.": (
            back(lambda g, dh, slope: ((g + dh) * slope) @ U)
        ),
        "the direct loss is added after the product with U. It bears on the state after step t: "
        "add dhs[t] to g first.": back(lambda g, dh, slope: (g * slope) @ U.T + dh),
        "the direct loss goes without its slope. g and dhs[t] belong to the same state: add them "
        "first, then multiply the sum by slopes[t].": (
            back(lambda g, dh, slope: (g * slope + dh) @ U.T)
        ),
        "no slope is in it: the sum of g and dhs[t] has to be multiplied by slopes[t].": (
            back(lambda g, dh, slope: (g + dh) @ U.T)
        ),
        "the factors are in the wrong order: the slope comes first, and U after it.": (
            back(lambda g, dh, slope: ((g + dh) @ U.T) * slope)
        ),
    }
    return judge_call(call, target_of_the_guess, given, right, mistakes, FACTORS)
