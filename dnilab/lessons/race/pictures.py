"""The tables of notebook 14."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dnilab.lessons.race.experiments.contestants import Network, ledger
from dnilab.lessons.race.experiments.decisions import Case
from dnilab.lessons.race.experiments.synthesis import Learned, Method
from dnilab.pictures import Table
from dnilab.pictures.style import plus_minus

LOCKS = {"forward": "F", "update": "U", "backward": "B"}


def synthesis_table(
    methods: Mapping[str, Method],
    network: Network,
    learned: Mapping[str, Sequence[Learned]],
    *,
    on: int = 2,
) -> Table:
    """Does a layer have to wait?  A row a method: its price, what it gives up, what it learned.

    ``learned``: the runs of each method, one a seed; scores are shares, shown in percent.
    ``on``: cores of the ideal timeline.
    """
    head = (
        "method", "answer", "locks", "work", "messages", "held", "copies", f"speed on {on}",
        "cosine", "error %", "gives up", "notebook",
    )  # fmt: skip
    body = []
    for name, method in methods.items():
        one = method.contestant
        of = ledger(one, network)
        runs = learned[name]
        scores = [100 * run.score for run in runs]
        cosines = [run.cosine for run in runs if run.cosine is not None]
        body.append(
            (
                name,
                one.family,
                " ".join(LOCKS[lock] for lock in of.locks) or "none",
                f"{of.work:.2f}",
                f"{of.messages:g}",
                f"{of.activations:.2f}",
                f"{of.weights:.2f}",
                f"{one.limit(network, on):.2f}",
                f"{np.mean(cosines):.2f}" if cosines else "–",
                plus_minus(float(np.mean(scores)), float(np.std(scores, ddof=1))),
                method.gives_up,
                method.seen_in,
            )
        )
    caption = (
        f"{network.name} on digits, one cut, {len(runs)} seeds. Locks: F forward, U update, "
        "B backward. Work and held (activations in memory): backpropagation in line = 1. Copies: "
        "weights kept beside today's, in networks."
    )
    return Table(head, tuple(body), caption)


def cases_table(cases: Mapping[str, Case]) -> Table:
    """The cases of the exercise."""
    head = ("case", "layers × width", "batch", "machines", "latency", "staleness", "needs batches")
    body = tuple(
        (
            name,
            f"{case.layers} × {case.width}",
            f"{case.batch}",
            f"{case.machines}",
            f"{case.latency:g} ms",
            f"{case.staleness}",
            ", ".join(f"{way} {more:g} ×" for way, more in case.more.items()),
        )
        for name, case in cases.items()
    )
    return Table(head, body, "Which way reaches the same accuracy first?")
