"""Wirings drawn by Hypothesis: whom each module hears, and what tells it its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from dnilab.orderings import Wiring

Heard = tuple[tuple[tuple[int, int], ...], ...]


@st.composite
def dags(draw: st.DrawFn, most: int = 5, late: bool = False) -> Heard:
    """Modules that hear any of those below them, and the input; all but the top are heard.

    ``late``: some of what they hear was said one or more batches ago.  The top says something of
    this batch all the same: it hears something without delay, and so does every module.
    """
    top = draw(st.integers(1, most))
    heard = [draw(st.lists(st.integers(0, k), min_size=1, max_size=3)) for k in range(top)]
    for k in range(1, top):
        if not any(k in ears for ears in heard[k:]):
            heard[draw(st.integers(k, top - 1))].append(k)
    delays = st.sampled_from([0, 0, 1, 2]) if late else st.just(0)
    return tuple(
        tuple(
            (module, draw(delays) if module and place else 0) for place, module in enumerate(ears)
        )
        for ears in heard
    )


AT_ONCE = st.sampled_from(["generator", "readout", "truth"])


@st.composite
def told(draw: st.DrawFn, **how: Any) -> Wiring:
    """Any wiring, with any signals that sequential() knows; whoever is heard late has his own."""
    heard = draw(dags(**how))
    late = {module for ears in heard for module, behind in ears if behind}
    own = st.sampled_from(["generator", "readout"])
    signals = [draw(own if k in late else AT_ONCE) for k in range(1, len(heard))]
    return Wiring(heard, (*signals, "truth"))


def users(heard: Sequence[Sequence[tuple[int, int]]], k: int) -> set[int]:
    """The modules that hear module ``k``."""
    return {u for u, ears in enumerate(heard, 1) if any(module == k for module, _ in ears)}
