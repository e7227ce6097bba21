"""Lesson 03: the two operations of a decoupled module, for a layer of ReLU units.

The notebook works them out with tanh units; here h = max(a, 0) with a = x W + b, so that the
slope has to be found anew.  The generator is linear and sees h and y side by side.
"""

from __future__ import annotations

import numpy as np

from dnilab.exercises import Function, NotYet, Verdict, ask, checker, judge, judge_call, shape_of

BATCH, N_IN, N_OUT, OUTPUTS = 8, 5, 4, 3  # all different, so that a wrong shape shows

FACTORS = {"the batch size. Only the step of the weights is a mean over the batch": BATCH}


@checker
def check_message_below(message_below: Function) -> Verdict:
    """Check ``message_below(x, y, W, b, M)`` -> what a module of ReLU units sends down.

    Shapes: x (batch, n_in), y (batch, outputs), W (n_in, n_out), b (n_out,),
    M (n_out + outputs, n_out); answer (batch, n_in).
    """
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(BATCH, N_IN)), rng.integers(0, 2, size=(BATCH, OUTPUTS)).astype(float)
    W, b = rng.normal(size=(N_IN, N_OUT)), rng.normal(size=N_OUT)
    M = rng.normal(size=(N_OUT + OUTPUTS, N_OUT))
    a = x @ W + b
    h = np.maximum(a, 0)
    g_hat = np.hstack([h, y]) @ M
    call, given = "message_below(x, y, W, b, M)", (x, y, W, b, M)
    right = (g_hat * (a > 0)) @ W.T
    mistakes = {
        "the slope dh/da is missing: where a is below 0, nothing may pass.": g_hat @ W.T,
        "the slope is that of tanh; these units are ReLUs.": (g_hat * (1 - h**2)) @ W.T,
        "the slope is taken twice or is not a slope: multiply by 1 where a > 0, not by a.": (
            (g_hat * h) @ W.T
        ),
        "h goes into the generator before the ReLU is applied.": (
            ((np.hstack([a, y]) @ M) * (a > 0)) @ W.T
        ),
    }
    return judge_call(call, message_below, given, right, mistakes, FACTORS)


@checker
def check_fitted_generator(fitted_generator: Function) -> Verdict:
    """Check ``fitted_generator(M, s, g, rate)`` -> M after one step towards the target g.

    Shapes: M (n_s, n_out), s (batch, n_s), g (batch, n_out); answer like M.  The *step* is what
    is compared, so that a wrong sign or factor of the step shows as one.
    """
    rng = np.random.default_rng(4)
    s, g = rng.normal(size=(BATCH, N_OUT + OUTPUTS)), rng.normal(size=(BATCH, N_OUT))
    M = rng.normal(size=(N_OUT + OUTPUTS, N_OUT))
    rate = 3.0
    call = "fitted_generator(M, s, g, rate)"
    got = ask(call, fitted_generator, M, s, g, rate)
    if shape_of(got) != M.shape or np.iscomplexobj(got):
        return judge(call, got, M)
    try:
        taken = np.asarray(got, dtype=float) - M
    except (TypeError, ValueError):
        return judge(call, got, M)
    if not taken.any():
        raise NotYet("fitted_generator returns M as it was. Subtract the step from it.")
    step = -(rate / BATCH) * (s.T @ (s @ M - g))
    factors = {
        "the step is the mean over the batch: divide it by the batch size, once": BATCH,
        "the rate": rate,
    }
    mistakes = {
        "the target is divided by the batch size. Leave g as it is.": (
            -(rate / BATCH) * (s.T @ (s @ M - g / BATCH))
        ),
        "the step is returned without M: return M minus the step.": step - M,
        "it has the wrong sign, and M is left out.": -step - M,
    }
    return judge("The step of M", taken, step, mistakes, factors)
