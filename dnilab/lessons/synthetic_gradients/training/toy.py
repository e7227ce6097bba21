"""A network small enough that every gradient can be drawn: two hidden layers of two units.

Two inputs, two tanh units, two tanh units, one output for one yes or no.  Modules 1 and 2 learn
from the guesses of linear generators, module 3 knows the truth.  Eight points; at two of them both
labels occur, so that there are equal h with opposite gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from dnilab.checks import one_of, whole_number
from dnilab.lessons.synthetic_gradients.training.by_hand import Module, Network, train_batch
from dnilab.network.layers import sigmoid

RATE, GENERATOR_RATE = 0.05, 0.3
BATCHES = 300
HUGE = 1e4  # a guess that is larger has run away, and the run ends

SURE = {0: ((-1.0, 0.7), (-1.1, 0.0), (-1.0, -0.7)), 1: ((1.0, 0.7), (1.1, 0.0), (1.0, -0.7))}
UNSURE = ((0.0, 0.9), (0.0, -0.9))  # each stands there twice, once with each label


def examples() -> tuple[np.ndarray, np.ndarray]:
    """x (10, 2) and y (10, 1): three points that are always 0, three always 1, two both."""
    pairs = [(point, label) for label, points in SURE.items() for point in points]
    pairs += [(point, label) for point in UNSURE for label in (0, 1)]
    x, y = zip(*pairs, strict=True)
    return np.array(x), np.array(y, dtype=float)[:, None]


def start(seed: int, sees_y: bool) -> Network:
    """Weights that turn and keep lengths, by an angle for each seed; generators of zeros."""
    rng = np.random.default_rng(seed)
    first, second, third = rng.uniform(0, 2 * np.pi, 3)

    def turn(angle: float) -> np.ndarray:
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    net = {}
    for k, W in enumerate((turn(first), turn(second), turn(third)[:, :1]), start=1):
        net[k] = Module(W, np.zeros(W.shape[1]))
        if k < 3:
            net[k].M, net[k].b_M = np.zeros((3 if sees_y else 2, 2)), np.zeros(2)
    return net


@dataclass(frozen=True, eq=False)
class Look:
    """One module before one batch, each (examples, 2).

    ``h`` its output, ``true`` g, ``guess`` g_hat, ``told`` the message that it gets from above.
    """

    h: np.ndarray
    true: np.ndarray
    guess: np.ndarray
    told: np.ndarray

    def error(self, of: np.ndarray) -> float:
        """How far ``of`` is from the truth, in lengths of the truth: 0 is right."""
        return float(np.linalg.norm(of - self.true) / np.linalg.norm(self.true))


@dataclass(frozen=True, eq=False)
class History:
    """All looks of one run: ``looks[batch][module]``, with the module's number, 1 or 2.

    ``y``: the labels, (examples, 1).  ``sees_y``: whether the generators see them.  ``sign``: -1
    where they move towards what they are told, +1 where they move away.  ``diverged``: whether the
    run ended early, since a guess was above ``HUGE``.
    """

    y: np.ndarray
    sees_y: bool
    sign: int
    looks: tuple[dict[int, Look], ...]
    diverged: bool

    @property
    def last(self) -> int:
        """The last batch that can be looked at."""
        return len(self.looks) - 1

    def errors(self) -> dict[str, np.ndarray]:
        """At each batch, in lengths of the truth: of both guesses, and of what module 1 is told."""
        return {
            "guess of module 2": np.array([of[2].error(of[2].guess) for of in self.looks]),
            "what module 1 is told": np.array([of[1].error(of[1].told) for of in self.looks]),
            "guess of module 1": np.array([of[1].error(of[1].guess) for of in self.looks]),
        }


def look_at(net: Network, x: np.ndarray, y: np.ndarray) -> dict[int, Look]:
    """What modules 1 and 2 see, guess and are told, and the truth; nothing is changed."""
    h, guess = {0: x}, {}
    for k in (1, 2):
        one = net[k]
        assert one.M is not None
        h[k] = np.tanh(h[k - 1] @ one.W + one.b)
        guess[k] = np.concatenate([h[k], y], axis=1)[:, : len(one.M)] @ one.M + one.b_M
    top = (sigmoid(h[2] @ net[3].W + net[3].b) - y) @ net[3].W.T
    slope = 1 - h[2] ** 2
    true1, told1 = ((slope * g) @ net[2].W.T for g in (top, guess[2]))
    return {1: Look(h[1], true1, guess[1], told1), 2: Look(h[2], top, guess[2], top)}


@cache
def history(sees_y: bool = True, sign: int = -1, seed: int = 0, batches: int = BATCHES) -> History:
    """Train the toy on all its examples at once, ``batches`` times, and keep every look.

    ``sign``: -1 or +1, of the step of the generators.  A run of equal arguments is made once.
    Raises ValueError for another sign, or fewer than 1 batch.
    """
    one_of("sign", sign, (-1, +1))
    whole_number("batches", batches, 1)
    x, y = examples()
    net = start(seed, sees_y)
    looks = [look_at(net, x, y)]
    while len(looks) <= batches:
        train_batch(net, x, y, RATE, GENERATOR_RATE, "" if sign < 0 else "plus")
        found = look_at(net, x, y)
        if not max(float(np.abs(found[k].guess).max()) for k in (1, 2)) < HUGE:
            break
        looks.append(found)
    return History(y, sees_y, sign, tuple(looks), len(looks) <= batches)
