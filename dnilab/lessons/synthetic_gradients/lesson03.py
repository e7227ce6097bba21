"""Lesson 03: the pieces of a decoupled network, each with a checker, and then all of it.

The pieces are those of ``training.by_hand``: forward and guess, the message, the fit of the
generator, and the order.  ``check_train_batch`` compares what the learner built from them with the
package, to the last bit where the operations come in the package's order.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from dnilab.data import batches
from dnilab.exercises import Function, NotYet, Verdict, ask, checker, judge, require, shape_of
from dnilab.experiments.settings import Settings
from dnilab.lessons.synthetic_gradients.exercises import in_plain_words
from dnilab.lessons.synthetic_gradients.training.by_hand import (
    MISTAKES,
    Module,
    Network,
    by_hand,
    of_stack,
    train_batch,
)
from dnilab.training.one_thread import one_blas_thread

BATCH, N_IN, N_OUT, LABELS = 8, 5, 4, 3  # all different, so that a wrong shape shows

PER_BATCH = {"the batch size. A gradient is that of the summed loss, row by row": BATCH}


def _several(call: str, got: Any, names: str) -> list[Any]:
    """The arrays that a function returns, as many as ``names`` has; NotYet for anything else."""
    wanted = names.split(", ")
    if got is None:
        raise NotYet(f"{call} is None. Replace it with your own code, then run again.")
    if not isinstance(got, tuple | list) or len(got) != len(wanted):
        found = f"{len(got)} things" if isinstance(got, tuple | list) else f"one {_kind(got)}"
        raise NotYet(f"{call} returns {found}; it should return {names}, with commas between.")
    return list(got)


def _kind(got: Any) -> str:
    return "array" if isinstance(got, np.ndarray) else type(got).__name__


# -- piece 1: forward and guess --------------------------------------------------------------


@checker
def check_forward_and_guess(forward_and_guess: Function) -> Verdict:
    """Check ``forward_and_guess(below, y, W, b, M, b_M)`` -> h, s, g_hat.

    Shapes: below (B, n_in), y (B, n_y), W (n_in, n_out), b (n_out,), M (n_out + n_y, n_out),
    b_M (n_out,); h (B, n_out), s (B, n_out + n_y), g_hat (B, n_out).
    """
    rng = np.random.default_rng(2)
    below, y = rng.normal(size=(BATCH, N_IN)), rng.integers(0, 2, (BATCH, LABELS)).astype(float)
    W, b = rng.normal(size=(N_IN, N_OUT)), rng.normal(size=N_OUT)
    M, b_M = rng.normal(size=(N_OUT + LABELS, N_OUT)), rng.normal(size=N_OUT)
    call = "forward_and_guess(below, y, W, b, M, b_M)"
    got = ask(call, in_plain_words(forward_and_guess), below, y, W, b, M, b_M)
    h_got, s_got, g_hat_got = _several(call, got, "h, s, g_hat")
    a = below @ W + b
    h = np.tanh(a)
    s = np.hstack([h, y])
    wrong_h = {
        "b is forgotten.": np.tanh(below @ W),
        "b is subtracted: add it.": np.tanh(below @ W - b),
        "the tanh is forgotten: this is a, before the function.": a,
        "b is added after the tanh: it belongs inside.": np.tanh(below @ W) + b,
        "this is the slope of the tanh, not the tanh.": 1 - h**2,
    }
    require(judge("h", h_got, h, wrong_h))
    wrong_s = {
        "y stands before h. The context is h, then y: M's rows are in that order.": (
            np.hstack([y, h])
        ),
        "it holds a, from before the tanh, where h belongs.": np.hstack([a, y]),
    }
    if shape_of(s_got) == h.shape:
        raise NotYet("s has the width of h alone: put y beside it, np.concatenate(..., axis=1).")
    require(judge("s", s_got, s, wrong_s))
    guess = s @ M + b_M
    wrong_guess = {
        "b_M is forgotten: the generator has a constant, too.": s @ M,
        "b_M is subtracted: add it.": s @ M - b_M,
        "y and h are the wrong way round in it.": np.hstack([y, h]) @ M + b_M,
        "it goes through a tanh. The generator is linear.": np.tanh(guess),
        "the slope of the tanh is in it already. The guess is a gradient at h.": (1 - h**2) * guess,
    }
    require(judge("g_hat", g_hat_got, guess, wrong_guess))
    return Verdict(True, "h, the context and the guess are as they should be.")


# -- piece 2: the message --------------------------------------------------------------------


@checker
def check_message(message: Function) -> Verdict:
    """Check ``message(h, g_hat, W)`` -> what a tanh module sends to the module below.

    Shapes: h and g_hat (B, n_out), W (n_in, n_out); answer (B, n_in).
    """
    rng = np.random.default_rng(3)
    h, g_hat = np.tanh(rng.normal(size=(BATCH, N_OUT))), rng.normal(size=(BATCH, N_OUT))
    W = rng.normal(size=(N_IN, N_OUT))
    call = "message(h, g_hat, W)"
    got = ask(call, in_plain_words(message), h, g_hat, W)
    slope = 1 - h**2
    if shape_of(got) == (BATCH, N_OUT):
        sent = "g_hat itself" if np.array_equal(got, g_hat) else "as wide as the module's output"
        raise NotYet(
            f"{call} is {sent}. The module below needs a gradient at its own output, (B, n_in): "
            "take it back through the weights as well."
        )
    mistakes = {
        "the slope of the tanh is missing: multiply g_hat by it before W comes.": g_hat @ W.T,
        "the slope is 1 - h * h, not 1 - h.": (g_hat * (1 - h)) @ W.T,
        "the slope is that of the sigmoid; these units are tanh.": (g_hat * h * (1 - h)) @ W.T,
        "h is the tanh already: the slope is 1 - h * h, without another tanh.": (
            (g_hat * (1 - np.tanh(h) ** 2)) @ W.T
        ),
        "the slope is in it twice.": (g_hat * slope**2) @ W.T,
        "g_hat is multiplied by h, and not by the slope at h.": (g_hat * h) @ W.T,
    }
    return judge(call, got, (g_hat * slope) @ W.T, mistakes, PER_BATCH)


# -- piece 3: the fit ------------------------------------------------------------------------


@checker
def check_fitted(fitted: Function) -> Verdict:
    """Check ``fitted(M, b_M, s, g_hat, told, rate)`` -> M and b_M after one step towards told.

    Shapes: M (n_s, n_out), b_M (n_out,), s (B, n_s), g_hat and told (B, n_out).  M and b_M may be
    changed in place, and then nothing need be returned.  The *steps* are compared, so that a wrong
    sign or factor shows as one.
    """
    rng = np.random.default_rng(4)
    s, told = rng.normal(size=(BATCH, N_OUT + LABELS)), rng.normal(size=(BATCH, N_OUT))
    M, b_M = rng.normal(size=(N_OUT + LABELS, N_OUT)), rng.normal(size=N_OUT)
    g_hat, rate = s @ M + b_M, 3.0
    call = "fitted(M, b_M, s, g_hat, told, rate)"
    given = [array.copy() for array in (M, b_M, s, g_hat, told)]
    fitted = in_plain_words(fitted)
    got = ask(call, lambda: fitted(*given, rate)) if callable(fitted) else ask(call, fitted)
    for name, now, before in zip(("s", "g_hat", "told"), given[2:], (s, g_hat, told), strict=True):
        if not np.array_equal(now, before):
            raise NotYet(f"fitted changes {name} in place. Only M and b_M may change.")
    in_place = not (np.array_equal(given[0], M) and np.array_equal(given[1], b_M))
    new_M, new_b = given[:2] if got is None and in_place else _several(call, got, "M, b_M")
    error = g_hat - told
    step, step_b = -(rate / BATCH) * (s.T @ error), -(rate / BATCH) * error.sum(axis=0)
    small = g_hat - told / BATCH
    _judge_step("M", new_M, M, step, {"small": -(rate / BATCH) * (s.T @ small)})
    mean_of_all = np.full(N_OUT, step_b.mean())
    wrong = {"small": -(rate / BATCH) * small.sum(axis=0), "all": mean_of_all}
    _judge_step("b_M", new_b, b_M, step_b, wrong)
    return Verdict(True, "M and b_M take the right step, in direction and in size.")


def _judge_step(
    name: str, got: Any, before: np.ndarray, step: np.ndarray, wrong: Mapping[str, np.ndarray]
) -> None:
    """NotYet unless ``got`` is ``before + step``."""
    if shape_of(got) != before.shape or np.iscomplexobj(got):
        require(judge(name, got, before))
    try:
        taken = np.asarray(got, dtype=float) - before
    except (TypeError, ValueError):
        require(judge(name, got, before))
    if not taken.any():
        raise NotYet(f"{name} comes back as it was. Subtract the step from it.")
    factors = {
        "the step is the mean over the batch: divide it by the batch size, once": BATCH,
        "the rate": 3.0,
    }
    said = {
        "small": "the target is divided by the batch size. Leave told as it is.",
        "all": "it is one number for all units. Sum over the rows alone: axis=0.",
    }
    mistakes = {said[mistake]: of for mistake, of in wrong.items()} | {
        f"the step is returned without {name}: return {name} minus the step.": step - before,
        f"it has the wrong sign, and {name} is left out.": -step - before,
    }
    require(judge(f"The step of {name}", taken, step, mistakes, factors))


# -- piece 4: the order ----------------------------------------------------------------------

RATE, GENERATOR_RATE = 0.1, 0.05
COMPARED = 50  # batches that the learner and the package both train
ROUNDING = 1e-9  # relative difference up to which two runs of the same mathematics agree
OPERATIONS = """a = below @ W + b
g_hat = s @ M + b_M
da = (1 - h * h) * g_hat
told = da @ W.T
W -= (below.T @ da) * (rate / B)
b -= da.sum(axis=0) * (rate / B)
M and b_M the same, with s and g_hat - told
g3 = sigmoid(z) - y, with dnilab's sigmoid"""


def small_network() -> tuple[Network, np.ndarray, np.ndarray]:
    """A network whose generators are random, so that every mistake shows; and a batch for it."""
    rng = np.random.default_rng(5)
    widths = (6, 5, 4, LABELS)
    net = {}
    for k in (1, 2, 3):
        n_in, n_out = widths[k - 1 : k + 1]
        net[k] = Module(rng.normal(size=(n_in, n_out)) / 2, rng.normal(size=n_out) / 2)
        if k < 3:
            net[k].M = rng.normal(size=(n_out + LABELS, n_out)) / 2
            net[k].b_M = rng.normal(size=n_out) / 2
    y = rng.integers(0, 2, (BATCH, LABELS)).astype(float)
    return net, rng.normal(size=(BATCH, widths[0])), y


def _arrays(net: Network) -> dict[str, np.ndarray]:
    """Every parameter by the name that the lesson gives it: W1, b1, M1, b_M1, ...

    Raises NotYet where one is missing, or is no array of numbers any more.
    """
    found = {}
    for k, one in net.items():
        for name in ("W", "b", "M", "b_M"):
            if k == len(net) and name in ("M", "b_M"):
                continue
            try:
                found[f"{name}{k}"] = np.asarray(getattr(one, name), dtype=float)
            except (AttributeError, TypeError, ValueError):
                raise NotYet(f"net[{k}].{name} is no array of numbers after a batch.") from None
    return found


def _apart(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> dict[str, float]:
    """How far the arrays of two networks are apart, relative to their size."""
    far = {}
    for name, right in other.items():
        if one[name].shape != right.shape:
            raise NotYet(f"{name} has shape {one[name].shape} now; it should be {right.shape}.")
        far[name] = float(np.linalg.norm(one[name] - right) / np.linalg.norm(right))
    return far


def _same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return all(far <= ROUNDING for far in _apart(one, other).values())


@checker
def check_train_batch(train_one: Function) -> Verdict:
    """Check ``train_batch_of_mine(net, x, y, rate, generator_rate)``, which changes ``net``.

    ``net[k]``, k = 1, 2, 3, has W, b and, below the top, M and b_M.  First one batch of a small
    network with random generators, to name a mistake; then 50 batches beside the package.
    """
    net, x, y = small_network()
    mine = copy.deepcopy(net)
    call = "train_batch_of_mine(net, x, y, rate, generator_rate)"
    with np.errstate(all="ignore"):
        ask(call, in_plain_words(train_one), mine, x, y, 0.3, 0.2)
    got, before = _arrays(mine), _arrays(net)
    if all(np.array_equal(got[name], before[name]) for name in before):
        said = "train_batch_of_mine leaves the network as it is. Replace it with your own code"
        raise NotYet(f"{said}, store the new arrays in net[k], then run again.")
    _name_the_mistake(net, x, y, got)
    return _beside_the_package(call, train_one)


def _name_the_mistake(
    net: Network, x: np.ndarray, y: np.ndarray, got: Mapping[str, np.ndarray]
) -> None:
    """NotYet, with the mistake's name, unless one batch of the small network came out right."""
    right = copy.deepcopy(net)
    train_batch(right, x, y, 0.3, 0.2)
    far = _apart(got, _arrays(right))
    wrong = [name for name, apart in far.items() if not apart <= ROUNDING]
    if not wrong:
        return
    for mistake, sentence in MISTAKES.items():
        other = copy.deepcopy(net)
        train_batch(other, x, y, 0.3, 0.2, mistake)
        if _same(got, _arrays(other)):
            raise NotYet(f"train_batch_of_mine runs, but {sentence}")
    before = _arrays(net)
    still = [name for name in wrong if np.array_equal(got[name], before[name])]
    if still:
        verb = "have" if len(still) > 1 else "has"
        raise NotYet(f"After one batch {', '.join(still)} should have changed, and {verb} not.")
    fine = [name for name in far if name not in wrong]
    said = f"After one batch {', '.join(wrong)} differ from what they should be"
    raise NotYet(f"{said}; right are {', '.join(fine) or 'none'}. Look at {wrong[0]} first.")


def _beside_the_package(call: str, train_one: Function) -> Verdict:
    """Train both for 50 batches; the verdict says whether they agree, and how closely."""
    settings = Settings(
        optimiser="sgd", rate=RATE, generator_rate=GENERATOR_RATE, batch_size=10,
        examples=10 * COMPARED, test_examples=10, epochs=1, context=("h", "y"),
    )  # fmt: skip
    data = settings.data()
    stack, events = settings.start(data=data)
    mine = by_hand(settings.stack(data))
    list(events)
    shuffled = batches(np.random.default_rng(settings.seed), len(data.x_train), 10)
    with one_blas_thread(), np.errstate(all="ignore"):
        for rows in shuffled:
            pair = data.x_train[rows], data.y_train[rows]
            ask(call, train_one, mine, *pair, RATE, GENERATOR_RATE)
    got, theirs = _arrays(mine), _arrays(of_stack(stack))
    worst = max(_apart(got, theirs).values())
    if not worst <= ROUNDING:
        raise NotYet(
            f"One batch comes out right, but after {COMPARED} batches of 10 the network is another "
            "one than the package's. Does anything stay behind from batch to batch?"
        )
    done = f"After {COMPARED} batches all weights and all generators agree with the package's"
    if all(np.array_equal(got[name], theirs[name]) for name in theirs):
        return Verdict(True, f"{done}, to the last bit. You have built the method.")
    return Verdict(
        True,
        f"{done} up to rounding: the largest relative difference is {worst:.0e}. The same sums in "
        f"another order round differently. This order has the package's last bit:\n{OPERATIONS}",
    )
