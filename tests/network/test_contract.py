"""Everything keeps the contract, and the contract catches what does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnilab.lessons.any_graph.network.joins import Add, Concatenate
from dnilab.network import BatchNorm, Chain, Dense, ReLU, Sigmoid, Tanh
from tests.network import cases, contract
from tests.network.contract import Case
from tests.network.spoilt import Spoilt


@pytest.mark.parametrize("clause", contract.CLAUSES, ids=lambda clause: clause.__name__)
@pytest.mark.parametrize("case", cases.ALL, ids=str)
def test_it_keeps(case: Case, clause: Callable[[Case], None]) -> None:
    clause(case)


@pytest.mark.parametrize("clause", contract.CLAUSES[:-2], ids=lambda clause: clause.__name__)
def test_fixed_feedback_keeps_all_but_the_derivatives(clause: Callable[[Case], None]) -> None:
    clause(cases.FIXED_FEEDBACK)


@pytest.mark.parametrize("clause", contract.SIGNAL_CLAUSES, ids=lambda clause: clause.__name__)
@pytest.mark.parametrize("case", cases.SIGNALS, ids=str)
def test_a_signal_keeps(case: Case, clause: Callable[[Case], None]) -> None:
    clause(case)


WITHOUT_NORMALISATION = [
    case
    for case in cases.LAYERS + cases.JOINS
    if "BatchNorm" not in repr(contract.frozen(case.make(np.random.default_rng(0))))
]


@pytest.mark.parametrize("case", WITHOUT_NORMALISATION, ids=str)
def test_evaluation_is_the_same_function_where_nothing_is_normalised(case: Case) -> None:
    f, inputs = case.drawn()
    assert contract.same([f.predict(*inputs)], [f(*inputs)[0]])


LAYERS = {
    "Dense": lambda rng, n_in, n_out: Dense(n_in, n_out, rng),
    "BatchNorm": lambda rng, n_in, n_out: BatchNorm(n_in),
    "Sigmoid": lambda rng, n_in, n_out: Sigmoid(),
    "Tanh": lambda rng, n_in, n_out: Tanh(),
    "Chain": lambda rng, n_in, n_out: Chain([Dense(n_in, n_out, rng), BatchNorm(n_out), Tanh()]),
}


@given(
    kind=st.sampled_from(sorted(LAYERS)),
    # one input alone is scaled away by the normalisation: only rounding is left of W's gradient
    n_in=st.integers(2, 6),
    n_out=st.integers(1, 6),
    batch=st.integers(3, 9),
    seed=st.integers(0, 1000),
)
def test_the_clauses_hold_at_any_size(
    kind: str, n_in: int, n_out: int, batch: int, seed: int
) -> None:
    def make(rng: np.random.Generator) -> Any:
        return LAYERS[kind](np.random.default_rng(seed), n_in, n_out)

    case = Case(kind, make, cases.rows(n_in), batch=batch)
    for clause in contract.CLAUSES[:-1]:  # differences need a well-behaved function
        clause(case)


# ---- planted mistakes: the same clauses must catch each of them ----------------------------------


class Planted(Spoilt, Dense):
    """A square dense layer to spoil."""


class SignOfInput(Planted):
    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        return -dx, grad


class SignOfParameters(Planted):
    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        return dx, -grad


class SignOfBiasOnly(Planted):
    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        grad[-1] *= -1
        return dx, grad


class Transposed(Planted):
    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        return dy @ self.W, grad


class TransposedGradient(Planted):
    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        grad[: self.W.size] = (dy.T @ x).ravel()
        return dx, grad


class DividedByTheBatch(Planted):
    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        return dx, grad / len(x)


class WrongInTheSeventhDigit(Planted):
    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        return dx * (1 + 1e-7), grad


class WritesIntoDy(Planted):
    def spoil(self, x: Any, dy: Any, dx: Any, grad: Any) -> tuple[Any, Any]:
        dy *= 2
        return dx, grad


class BareArray(Planted):
    """Gives its gradient as it is, and in no list."""

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, sound = super().__call__(x)

        def pullback(dy: np.ndarray, want_dx: bool = True) -> tuple[Any, Any]:
            dx, (grad,) = sound(dy, want_dx)
            return dx, grad

        return y, pullback


class NoneForNothing(Tanh):
    """Has no parameters, and says so with None."""

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, sound = super().__call__(x)
        return y, lambda dy, want_dx=True: (sound(dy, want_dx)[0], None)


class AlwaysGivesDx(Planted):
    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, sound = super().__call__(x)
        return y, lambda dy, want_dx=True: sound(dy)


class PutsOff(Dense):
    """Puts off what ``own`` makes of x, dy and the sound gradient, all as they are by then."""

    def own(self, x: np.ndarray, dy: np.ndarray, sound: np.ndarray) -> np.ndarray:
        return sound

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, sound = super().__call__(x)

        def pullback(dy: np.ndarray, want_dx: bool = True, later: bool = False) -> tuple[Any, Any]:
            dx, (grad,) = sound(dy, want_dx)
            self.last = dy
            return dx, [(lambda: self.own(x, dy, grad)) if later else grad]

        return y, pullback


class PutsOffAnother(PutsOff):
    """What it puts off is a mean over the batch; at once it is a sum."""

    def own(self, x: np.ndarray, dy: np.ndarray, sound: np.ndarray) -> np.ndarray:
        return sound / len(x)


class ForgetsWhatItPutOff(PutsOff):
    """Knows only the dy that came last."""

    def own(self, x: np.ndarray, dy: np.ndarray, sound: np.ndarray) -> np.ndarray:
        return super().__call__(x)[1](self.last)[1][0]


class ReadsItsParametersLater(PutsOff):
    """Not as they were when it went forward: as they are when it is asked."""

    def own(self, x: np.ndarray, dy: np.ndarray, sound: np.ndarray) -> np.ndarray:
        return sound + 1e-3 * self.theta


class PutsOffDx(PutsOff):
    """Sends nothing down where the rest is put off."""

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, sound = super().__call__(x)

        def pullback(dy: np.ndarray, want_dx: bool = True, later: bool = False) -> tuple[Any, Any]:
            return sound(dy, want_dx and not later, later)

        return y, pullback


class Caching(Dense):
    """Remembers its last input, as layers in many a textbook do."""

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        self.x = x

        def pullback(dy: np.ndarray, want_dx: bool = True) -> tuple[Any, Any]:
            return super(Caching, self).__call__(self.x)[1](dy, want_dx)

        return self.predict(x), pullback


class SharesItsOutput(Dense):
    """Writes every output into one array that it has made once, outside of the object."""

    room = np.empty((100, cases.N_IN))

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, pullback = super().__call__(x)
        out = self.room[: len(y)].astype(y.dtype, copy=False)
        out[:] = y
        return out, pullback


class OnlyOnce(Dense):
    """Its pullback uses up what it holds."""

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, sound = super().__call__(x)
        left = [1.0, 0.0, 0.0, 0.0, 0.0]

        def pullback(dy: np.ndarray, want_dx: bool = True) -> tuple[Any, Any]:
            return sound(dy * dy.dtype.type(left.pop(0)), want_dx)

        return y, pullback


class WritesIntoX(Dense):
    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        x += 1
        return super().__call__(x)


class AlwaysDouble(Dense):
    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, pullback = super().__call__(x)
        return y * np.float64(1), pullback


class SharesItsCopy(Dense):
    def copy(self, dtype: Any = None) -> Any:
        return self if dtype is None else super().copy(dtype)


class SidesMixedUp(Concatenate):
    """Sends each part to the next one who was heard."""

    def __call__(self, *heard: np.ndarray | None) -> tuple[np.ndarray, Any]:
        y, sound = super().__call__(*heard)

        def pullback(dy: np.ndarray, want_dx: bool = True) -> tuple[Any, ...]:
            *down, grads = sound(dy, want_dx)
            return *down[1:], down[0], grads

        return y, pullback


class Shared(Add):
    """Divides what comes down among those who were heard."""

    def __call__(self, *heard: np.ndarray | None) -> tuple[np.ndarray, Any]:
        y, sound = super().__call__(*heard)

        def pullback(dy: np.ndarray, want_dx: bool = True) -> tuple[Any, ...]:
            return sound(dy / len(heard), want_dx)

        return y, pullback


class StaleWeights(Dense):
    """Computes with an array that is no view of its theta."""

    def _hold(self, theta: np.ndarray) -> None:
        super()._hold(theta)
        self.W = self.W.copy()


class StaleTheta(Dense):
    """The same for all of its parameters."""

    def _hold(self, theta: np.ndarray) -> None:
        super()._hold(theta.copy())
        self.theta = theta


class MissingFactor(Sigmoid):
    def derivative(self, y: np.ndarray) -> np.ndarray:
        return 1 - y


class TwiceTheFactor(Tanh):
    def derivative(self, y: np.ndarray) -> np.ndarray:
        return (1 - y) * (1 - y)


class LeakyBackwards(ReLU):
    def derivative(self, y: np.ndarray) -> np.ndarray:
        return np.where(y > 0, 1.0, 0.01).astype(y.dtype)


class MeanIsNotConstant(BatchNorm):
    """Forgets that mean and variance depend on x as well."""

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        y, sound = super().__call__(x)
        inverse = 1 / np.sqrt(x.var(axis=0) + self.epsilon) if x.dtype != complex else 1

        def pullback(dy: np.ndarray, want_dx: bool = True) -> tuple[Any, Any]:
            _, grads = sound(dy)
            return (dy * self.gamma * inverse).astype(dy.dtype) if want_dx else None, grads

        return y, pullback


def dense(kind: type) -> Case:
    return cases.layer(kind.__name__, lambda rng: kind(cases.N_IN, cases.N_IN, rng))


def plain(kind: type) -> Case:
    return cases.layer(kind.__name__, lambda rng: kind())


def mixing_join(name: str, make: Callable[[], Any]) -> Case:
    return cases.join(name, lambda rng: make(), (3, 3), make()(*[np.ones((1, 3))] * 2)[0].shape[1])


BOTH_DERIVATIVES = ("derivatives_by_complex_step", "derivatives_by_differences")
PLANTED = [
    *[
        (dense(kind), clause)
        for kind in (
            SignOfInput,
            SignOfParameters,
            SignOfBiasOnly,
            Transposed,
            TransposedGradient,
            DividedByTheBatch,
        )
        for clause in BOTH_DERIVATIVES
    ],
    *[
        (plain(kind), clause)
        for kind in (MissingFactor, TwiceTheFactor, LeakyBackwards)
        for clause in BOTH_DERIVATIVES
    ],
    (dense(WrongInTheSeventhDigit), "derivatives_by_complex_step"),
    *[
        (cases.layer("BatchNorm", lambda rng: MeanIsNotConstant(cases.N_IN)), clause)
        for clause in BOTH_DERIVATIVES
    ],
    (dense(Caching), "two_in_flight"),
    (dense(Caching), "nothing_cached"),
    (dense(SharesItsOutput), "two_in_flight"),
    (dense(OnlyOnce), "two_in_flight"),
    (dense(WritesIntoX), "arguments_unchanged"),
    (dense(WritesIntoDy), "arguments_unchanged"),
    (dense(AlwaysDouble), "shapes_and_dtypes"),
    (dense(BareArray), "shapes_and_dtypes"),
    (plain(NoneForNothing), "shapes_and_dtypes"),
    (dense(AlwaysGivesDx), "want_dx"),
    *[
        (dense(kind), "puts_off")
        for kind in (PutsOffAnother, ForgetsWhatItPutOff, ReadsItsParametersLater, PutsOffDx)
    ],
    *[
        (mixing_join(name, make), clause)
        for name, make in (
            ("SidesMixedUp", lambda: SidesMixedUp((3, 3))),
            ("Shared", lambda: Shared(3)),
        )
        for clause in BOTH_DERIVATIVES
    ],
    (dense(SharesItsCopy), "copy_is_independent"),
    (dense(StaleTheta), "copy_is_independent"),
    *[(dense(StaleWeights), clause) for clause in BOTH_DERIVATIVES],
]


@pytest.mark.parametrize(
    ("case", "clause"), PLANTED, ids=[f"{case}-{clause}" for case, clause in PLANTED]
)
def test_a_planted_mistake_is_caught(case: Case, clause: str) -> None:
    with pytest.raises(AssertionError):
        getattr(contract, clause)(case)


def test_the_planting_itself_breaks_nothing() -> None:
    for clause in contract.CLAUSES:
        clause(dense(Planted))
    contract.puts_off(dense(PutsOff))


def test_a_planted_mistake_is_caught_inside_a_chain() -> None:
    for kind in (SignOfInput, DividedByTheBatch):
        case = cases.layer(
            "Chain", lambda rng, kind=kind: Chain([kind(cases.N_IN, cases.N_IN, rng), Tanh()])
        )
        with pytest.raises(AssertionError):
            contract.derivatives_by_complex_step(case)
