"""The one contract of layers, chains, joins, generators and losses, written down as clauses.

    y, pullback = f(x)
    dx, grads = pullback(dy)

grads is a list with one array for each entry of ``f.thetas``.  What hears several things sends as
many gradients down: ``y, pullback = f(*heard)``; ``*down, grads = pullback(dy)``.

Each clause is a function of a Case that raises AssertionError if f breaks it.  The tests run all
clauses over everything that the course trains, and over broken layers, which must be caught.

A signal keeps a smaller contract, in clauses of its own: ``SIGNAL_CLAUSES``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dnilab.network import complex_step, finite_difference, relative_error

EXACT = 1e-12  # of a complex step: all digits but a few
ROUGH = 1e-6  # of a central difference, which loses half of the digits


@dataclass(frozen=True)
class Case:
    """One kind of function, and how to call it.

    ``make(rng)`` gives f in float64.  ``inputs(rng, batch)`` gives the arguments of a call.
    ``joined(*inputs)`` is the one array that dx is the gradient with respect to, and
    ``of_joined(f, joined, *inputs)`` is y as a function of that array.  Where several things come
    down, dx stands for all of them side by side.
    """

    name: str
    make: Callable[[np.random.Generator], Any]
    inputs: Callable[[np.random.Generator, int], tuple[np.ndarray, ...]]
    joined: Callable[..., Any] = lambda *inputs: inputs[0]
    of_joined: Callable[..., np.ndarray] = lambda f, x, *inputs: f(x, *inputs[1:])[0]
    y_shape: Callable[[int], tuple[int, ...]] | None = None
    has_copy: bool = True
    batch: int = 5

    def __str__(self) -> str:
        return self.name

    def drawn(self, dtype: Any = np.float64, seed: int = 0) -> tuple[Any, tuple[np.ndarray, ...]]:
        """f with random parameters (a fresh generator would be zero), and random arguments."""
        rng = np.random.default_rng(seed)
        f = self.make(rng)
        for theta in thetas(f):
            theta[:] = rng.standard_normal(theta.size)
        f = self.copied(f, dtype)
        return f, tuple(a.astype(dtype) for a in self.inputs(rng, self.batch))

    def copied(self, f: Any, dtype: Any) -> Any:
        return f.copy(dtype) if self.has_copy else f

    def other_inputs(self, dtype: Any = np.float64) -> tuple[np.ndarray, ...]:
        """Arguments of another call, of the same shapes: no error gives a mix-up away."""
        rng = np.random.default_rng(99)
        return tuple(a.astype(dtype) for a in self.inputs(rng, self.batch))


def thetas(f: Any) -> list[np.ndarray]:
    """The parameter vectors; a loss has none."""
    return list(getattr(f, "thetas", []))


def like(y: np.ndarray, seed: int = 1) -> np.ndarray:
    """A random dy for this y."""
    return np.random.default_rng(seed).standard_normal(y.shape).astype(y.dtype)


def pulled_back(
    pullback: Callable[..., Any], dy: np.ndarray, **options: bool
) -> tuple[Any, list[np.ndarray]]:
    """dx, or several of them side by side, and grads."""
    *down, grads = pullback(dy, **options)
    assert isinstance(grads, list), "grads is no list"
    if len(down) == 1:
        return down[0], grads
    if all(dx is None for dx in down):
        return None, grads
    return np.concatenate(down, axis=1), grads


def same(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> bool:
    """Equal to the last bit."""
    return len(a) == len(b) and all(
        x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes()
        for x, y in zip(a, b, strict=True)
    )


def frozen(thing: Any) -> Any:
    """All that an object holds, arrays down to their bytes: to compare before and after."""
    if isinstance(thing, np.ndarray):
        return ("array", thing.dtype.str, thing.shape, thing.tobytes())
    if isinstance(thing, (list, tuple)):
        return (type(thing).__name__, *map(frozen, thing))
    if isinstance(thing, dict):
        return tuple((key, frozen(value)) for key, value in thing.items())
    if hasattr(thing, "__dict__"):
        return (type(thing).__name__, frozen(vars(thing)))
    return thing


# ---- the clauses ---------------------------------------------------------------------------------


def shapes_and_dtypes(case: Case) -> None:
    """y, dx and grads have the right shape; float32 stays float32, float64 stays float64."""
    for dtype in (np.float32, np.float64):
        f, inputs = case.drawn(dtype)
        y, pullback = f(*inputs)
        if case.y_shape is not None:
            assert y.shape == case.y_shape(case.batch)
        dx, grads = pulled_back(pullback, like(y))
        assert dx.shape == case.joined(*inputs).shape
        assert [g.shape for g in grads] == [theta.shape for theta in thetas(f)]
        for array in (y, dx, *grads):
            assert array.dtype == dtype
            assert np.isfinite(array).all()


def arguments_unchanged(case: Case) -> None:
    """Neither a forward nor a pullback writes into what it was given."""
    f, inputs = case.drawn()
    before = [a.copy() for a in inputs]
    y, pullback = f(*inputs)
    dy = like(y)
    kept = dy.copy()
    pullback(dy)
    assert same(inputs, before), "an input was changed"
    assert same([dy], [kept]), "dy was changed"


def two_in_flight(case: Case) -> None:
    """Each pullback belongs to its own call, also after another one; it can be called twice."""
    f, first = case.drawn()
    second = case.other_inputs()
    results = []
    for inputs in (first, second):  # one after the other: what both must give
        y, pullback = f(*inputs)
        dx, grads = pulled_back(pullback, like(y))
        results.append([y.copy(), dx.copy(), *(g.copy() for g in grads)])
    y1, pullback1 = f(*first)
    y2, pullback2 = f(*second)
    for _ in range(2):
        dx2, grads2 = pulled_back(pullback2, like(y2))
        dx1, grads1 = pulled_back(pullback1, like(y1))
        assert same([y1, dx1, *grads1], results[0]), "the second batch got into the first"
        assert same([y2, dx2, *grads2], results[1]), "the first batch got into the second"


def nothing_cached(case: Case) -> None:
    """A call leaves the object as it was, down to the last byte."""
    f, inputs = case.drawn()
    before = frozen(f)
    y, pullback = f(*inputs)
    assert frozen(f) == before, "the forward left something on the object"
    pullback(like(y))
    assert frozen(f) == before, "the pullback left something on the object"


def want_dx(case: Case) -> None:
    """Without want_dx there is no dx, and the gradients of the parameters are the same."""
    f, inputs = case.drawn()
    y, pullback = f(*inputs)
    _, grads = pulled_back(pullback, like(y))
    nothing, same_grads = pulled_back(pullback, like(y), want_dx=False)
    assert nothing is None
    assert same(same_grads, grads)


def puts_off(case: Case) -> None:
    """With ``later``, dx is that of a plain pullback, and what is put off comes out as at once.

    However late: also when another batch has gone up and down, and the parameters have changed.
    """
    for dtype in (np.float32, np.float64):
        f, inputs = case.drawn(dtype)
        if not getattr(f, "puts_off", False):
            return
        y, pullback = f(*inputs)
        for down in (True, False):
            at_once, grads = pulled_back(pullback, like(y), want_dx=down)
            dx, owed = pulled_back(pullback, like(y), want_dx=down, later=True)
            assert (dx is None) == (at_once is None)
            assert dx is None or same([dx], [at_once])
            before = [theta.copy() for theta in thetas(f)]
            other_y, other = f(*case.other_inputs(dtype))
            pulled_back(other, like(other_y, 2), later=True)
            for theta in thetas(f):
                theta += 1
            found = [grad() if callable(grad) else grad for grad in owed]
            assert same(found, grads), "what was put off is another gradient"
            for theta, kept in zip(thetas(f), before, strict=True):
                theta[:] = kept


def copy_is_independent(case: Case) -> None:
    """A copy computes the same, in the dtype asked for, and is changed without the original."""
    if not case.has_copy:
        return
    f, inputs = case.drawn()
    y, _ = f(*inputs)
    twin = f.copy()
    assert same(thetas(twin), thetas(f))
    assert same([twin(*inputs)[0]], [y])
    for theta in thetas(twin):
        theta += 1  # the layer must read its weights from theta, not from a copy of it
    assert same([f(*inputs)[0]], [y]), "the copy shares its parameters"
    if thetas(twin):
        assert not same([twin(*inputs)[0]], [y]), "theta is not what the copy computes with"
    for dtype in (np.float32, complex):
        other = f.copy(dtype)
        assert all(theta.dtype == dtype for theta in thetas(other))
        assert other(*(a.astype(dtype) for a in inputs))[0].dtype == dtype
    assert all(theta.dtype == np.float64 for theta in thetas(f))


def _derivatives(case: Case, measure: Callable[..., np.ndarray], dtype: Any, tol: float) -> None:
    """Hold dx and grads against a measured gradient of L = sum(dy * y)."""
    f, inputs = case.drawn()
    y, pullback = f(*inputs)
    dy = like(y)
    dx, grads = pulled_back(pullback, dy)
    probe = case.copied(f, dtype)

    def of_input(x: np.ndarray) -> Any:
        return (dy * case.of_joined(probe, x, *inputs)).sum()

    error = relative_error(dx, measure(of_input, case.joined(*inputs)))
    assert error < tol, f"dx is off by {error:.1e} of its length"
    for theta, grad in zip(thetas(probe), grads, strict=True):
        kept = theta.copy()

        def of_theta(value: np.ndarray, theta: np.ndarray = theta) -> Any:
            theta[:] = value
            return (dy * probe(*inputs)[0]).sum()

        error = relative_error(grad, measure(of_theta, kept.real))
        theta[:] = kept
        assert error < tol, f"grad is off by {error:.1e} of its length"


def derivatives_by_complex_step(case: Case) -> None:
    """dx and grads are the derivatives, to twelve digits."""
    _derivatives(case, complex_step, complex, EXACT)


def derivatives_by_differences(case: Case) -> None:
    """dx and grads are the derivatives, measured without complex numbers as well."""
    _derivatives(case, finite_difference, np.float64, ROUGH)


CLAUSES = (
    shapes_and_dtypes,
    arguments_unchanged,
    two_in_flight,
    nothing_cached,
    want_dx,
    puts_off,
    copy_is_independent,
    derivatives_by_complex_step,
    derivatives_by_differences,
)


# ---- the clauses of a signal ---------------------------------------------------------------------
#
#     g_hat, pullback = signal(h, x, y, error)
#     _, grads = pullback(error of the guess)


def asked(case: Case, dtype: Any = np.float64) -> tuple[Any, tuple[np.ndarray, ...], Any, Any]:
    """A signal with random parameters, what it was handed, and what it answered."""
    signal, inputs = case.drawn(dtype)
    return signal, inputs, *signal(*inputs)


def signal_shapes_and_dtypes(case: Case) -> None:
    """g_hat is like h, and grads like thetas; float32 stays float32, float64 stays float64."""
    for dtype in (np.float32, np.float64):
        signal, (h, *_), g_hat, pullback = asked(case, dtype)
        assert g_hat.shape == h.shape
        _, grads = pullback(like(g_hat))
        assert isinstance(grads, list), "grads is no list"
        assert [g.shape for g in grads] == [theta.shape for theta in thetas(signal)]
        for array in (g_hat, *grads):
            assert array.dtype == dtype
            assert np.isfinite(array).all()


def signal_keeps_what_it_is_handed(case: Case) -> None:
    """Nothing that it is handed is changed, and nothing is left on the signal."""
    signal, inputs = case.drawn()
    before, given = frozen(signal), [array.copy() for array in inputs]
    g_hat, pullback = signal(*inputs)
    error, kept = like(g_hat), g_hat.copy()
    pullback(error)
    assert same(inputs, given), "an input was changed"
    assert same([error, g_hat], [like(g_hat), kept]), "an error or a guess was changed"
    assert frozen(signal) == before, "something was left on the signal"


def signal_two_in_flight(case: Case) -> None:
    """Each pullback belongs to its own call, also after another one; it can be called twice."""
    signal, first = case.drawn()
    second = case.other_inputs()
    alone = []
    for inputs in (first, second):
        g_hat, pullback = signal(*inputs)
        alone.append([g_hat.copy(), *(grad.copy() for grad in pullback(like(g_hat))[-1])])
    together = [signal(*inputs) for inputs in (first, second)]
    for _ in range(2):
        for number in (1, 0):
            g_hat, pullback = together[number]
            assert same([g_hat, *pullback(like(g_hat))[-1]], alone[number]), "two batches mixed"


def signal_needs_what_it_says(case: Case) -> None:
    """It looks at h and at what is among its needs, and at nothing else; else it says so."""
    signal, inputs, g_hat, _ = asked(case)
    handed = dict(zip(("h", "x", "y", "error"), inputs, strict=True))
    needed = {name: v for name, v in handed.items() if name == "h" or name in signal.needs}
    assert same([signal(**needed)[0]], [g_hat])
    for name in signal.needs:
        with pytest.raises(ValueError, match=f"^{name} is None"):
            signal(**{**needed, name: None})
        changed = {**handed, name: 1 - handed[name]}
        assert not same([signal(**changed)[0]], [g_hat]), f"it does not look at {name}"


def signal_copy_is_independent(case: Case) -> None:
    """A copy says the same, in the dtype asked for, and learns without the original."""
    signal, inputs, g_hat, _ = asked(case)
    twin = signal.copy()
    assert frozen(twin) == frozen(signal)
    assert same([twin(*inputs)[0]], [g_hat])
    for theta in thetas(twin):
        theta += 1
    assert same([signal(*inputs)[0]], [g_hat]), "the copy shares its parameters"
    if thetas(twin):
        assert not same([twin(*inputs)[0]], [g_hat]), "theta is not what the copy computes with"
    for dtype in (np.float32, complex):
        other = signal.copy(dtype)
        assert all(theta.dtype == dtype for theta in thetas(other))
        assert other(*(a.astype(dtype) for a in inputs))[0].dtype == dtype
    assert same([signal(*inputs)[0]], [g_hat])


SIGNAL_CLAUSES = (
    signal_shapes_and_dtypes,
    signal_keeps_what_it_is_handed,
    signal_two_in_flight,
    signal_needs_what_it_says,
    signal_copy_is_independent,
)


def own_loss(case: Case, tol: float = EXACT) -> None:
    """A readout's g_hat and grads are the derivatives of its own summed loss."""
    readout, (h, _, y, _), g_hat, pullback = asked(case)
    probe = readout.copy(complex)

    def of_h(value: np.ndarray) -> Any:
        return readout.loss.per_row(probe.body(value)[0], y).sum()

    error = relative_error(g_hat, complex_step(of_h, h))
    assert error < tol, f"g_hat is off by {error:.1e} of its length"
    for theta, grad in zip(probe.thetas, pullback(None)[-1], strict=True):
        kept = theta.copy()

        def of_theta(value: np.ndarray, theta: np.ndarray = theta) -> Any:
            theta[:] = value
            return of_h(h)

        error = relative_error(grad, complex_step(of_theta, kept.real))
        theta[:] = kept
        assert error < tol, f"grad is off by {error:.1e} of its length"
