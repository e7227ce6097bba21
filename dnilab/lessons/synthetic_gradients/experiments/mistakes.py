"""Runs of the network by hand, one for each seed: what a mistake, or another start, costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dnilab.experiments.settings import Settings
from dnilab.lessons.synthetic_gradients.training.by_hand import Network, by_hand, learn, limits

Curves = tuple[np.ndarray, np.ndarray]
"""Epochs (n,), and the share of unseen bits right (seeds, n)."""


def start_of(
    settings: Settings, *, random: float = 0.0, larger: float = 1.0, sees_y: bool = True
) -> Network:
    """The network by hand that these settings begin with.

    ``random``: the spread of the numbers that the generators start with; 0: zeros.
    ``larger``: a factor of the weights below the top.
    """
    data = settings.data()
    net = by_hand(settings.stack(data), None if sees_y else 0)
    rng = np.random.default_rng([settings.seed, 3])
    for k in list(net)[:-1]:
        net[k].W *= larger
        M = net[k].M
        assert M is not None
        M += random * rng.standard_normal(M.shape)
    return net


def live(
    settings: Settings, *, mistake: str = "", random: float = 0.0, larger: float = 1.0,
    sees_y: bool = True,
) -> Iterator[tuple[float, float]]:  # fmt: skip
    """(epoch, share of unseen bits right) while the network of ``settings`` is trained by hand."""
    assert settings.generator_rate is not None
    yield from learn(
        start_of(settings, random=random, larger=larger, sees_y=sees_y),
        settings.data(),
        rate=settings.rate,
        generator_rate=settings.generator_rate,
        epochs=settings.epochs,
        seed=settings.seed,
        mistake=mistake,
        batch_size=settings.batch_size,
    )


def curves_of(
    settings: Settings, seeds: Sequence[int] = (0, 1), *, mistake: str = "", random: float = 0.0,
    larger: float = 1.0, sees_y: bool = True,
) -> Curves:  # fmt: skip
    """Runs with each of the seeds, cut to the shortest: one that diverges ends with NaN."""
    kind = {"mistake": mistake, "random": random, "larger": larger, "sees_y": sees_y}
    runs = [np.array(list(live(settings.but(seed=seed), **kind))) for seed in seeds]  # type: ignore[arg-type]
    length = min(map(len, runs))
    return runs[0][:length, 0], np.array([run[:length, 1] for run in runs])


def generator_limits(settings: Settings, most: int = 50) -> np.ndarray:
    """2 B / lambda of each generator at the start, for the first batches: (batches, generators)."""
    data, net, size = settings.data(), start_of(settings), settings.batch_size
    starts = range(0, min(most * size, len(data.x_train)), size)
    rows = [slice(start, start + size) for start in starts]
    return np.array([limits(net, data.x_train[one], data.y_train[one]) for one in rows])
