"""Every method of the course on one network: what it costs, and what it learns (notebook 14)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dnilab import orderings
from dnilab.lessons.race.experiments.contestants import (
    Contestant,
    Goal,
    Network,
    contestants,
)
from dnilab.network import Stack
from dnilab.training import Report, train
from dnilab.training.train import cosine

SAME_BITS = {"GPipe": "1F1B", "zero bubble": "1F1B"}
"""Who ends with the weights of another, to the last bit."""


@dataclass(frozen=True)
class Method:
    """A way to tell a layer its gradient: who runs it, and what of the true gradient it gives up.

    ``seen_in``: the numbers of the notebooks that measured it.
    """

    contestant: Contestant
    gives_up: str
    seen_in: str

    @property
    def name(self) -> str:
        """Its name in the table."""
        return self.contestant.name


def methods(
    network: Network, *, modules: int = 2, staleness: int = 1, blas_threads: int | None = None
) -> dict[str, Method]:
    """All rows of the table, by name; backpropagation in line first, two floors at the end.

    The arguments are those of ``contestants``.
    """
    race = contestants(network, modules=modules, staleness=staleness, blas_threads=blas_threads)
    layers = len(network.widths) - 1
    cut = race["generator"]
    on_h = orderings.even_cuts(
        network.widths, modules, context=("h",), signal="generator", guess_again=True
    )
    groups = tuple((k,) for k in range(1, modules + 1))
    unlocked = orderings.complete_unlock(groups, staleness=max(1, staleness))
    in_line, blas = list(race.values())[:2]
    exact = "nothing"
    found = [
        Method(in_line, exact, "01"),
        Method(blas, exact, "12"),
        *(Method(race[name], exact, "12") for name in ("GPipe", "1F1B", "zero bubble")),
        Method(race["late truth"], f"nothing, but it is {_batches(staleness)} old", "12"),
        Method(
            replace(in_line, name="feedback alignment", fixed_feedback=True),
            "the weights on the way down: fixed random ones instead",
            "06",
        ),
        Method(
            race["direct feedback"],
            "all layers between here and the top: one fixed random matrix instead",
            "12",
        ),
        Method(race["local loss"], "the goal: a loss of the module's own instead", "12"),
        Method(
            replace(cut, name="generator on (h, y)"), "what a linear guess misses", "04, 07, 12"
        ),
        Method(
            replace(cut, name="generator on h", context=("h",), cuts=on_h),
            "the same, and all that h does not say about y",
            "04, 07",
        ),
        Method(
            replace(cut, name="complete unlock", program=unlocked, input_hidden=()),
            "what a linear guess misses; and its input is a guess too",
            "07",
        ),
        Method(_top_alone("upper module only", cut.cuts[-1]), "everything below the cut", "07"),
        Method(_top_alone("last layer only", layers - 1), "everything below the top", "04, 07"),
    ]  # fmt: skip
    return {one.name: one for one in found}


def _top_alone(name: str, cut: int) -> Contestant:
    """A floor: all below the cut keeps its random start."""
    only = orderings.last_layer_only(2)
    return Contestant(name, "ask nobody", only, (cut,), executor="one thread")


def _batches(count: int) -> str:
    return "1 batch" if count == 1 else f"{count} batches"


@dataclass(frozen=True)
class Learned:
    """What a method has learned: ``score`` on unseen rows.

    ``cosine``: between what the lowest module is told and the true gradient, on rows that it has
    trained on, where it has a signal of its own; else None.
    """

    score: float
    cosine: float | None


def learn(one: Contestant, goal: Goal, seed: int, *, rate: float) -> Learned:
    """Train a contestant for all epochs of the goal's settings, on one thread.

    ``rate``: of modules and signals.  Raises ValueError if a batch can't be cut, and RuntimeError
    if it diverges.
    """
    settings = goal.settings.but(seed=seed, rate=rate)
    data = settings.data()
    stack = one.stack(goal.network(data), np.random.default_rng([seed, 2]))
    events = train(
        stack, data, one.program,
        optimiser=settings.optimisers()[0],
        batch_size=one.rows(settings.batch_size),
        epochs=settings.epochs,
        seed=seed,
    )  # fmt: skip
    last = None
    for last in events:  # noqa: B007
        pass
    if not isinstance(last, Report):
        raise RuntimeError(f"{one.name} diverged with rate {rate:g}")
    rows = slice(0, settings.batch_size)
    told = None if one.signal == "truth" else _cosine(stack, data.x_train[rows], data.y_train[rows])
    return Learned(last.scores[goal.score], told)


def _cosine(stack: Stack, x: np.ndarray, y: np.ndarray) -> float:
    """Between what module 1 is told by its own signal and the true gradient, on these rows."""
    said, _ = stack.forward(x)
    signal = stack.modules[0].signal
    assert signal is not None
    guess, _ = signal(said[0], x, y, stack.loss.gradient(said[-1], y))
    return cosine(guess, stack.gradients(x, y)[0][0])
