"""Wirings drawn by Hypothesis: whom each module hears."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

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


def users(heard: Sequence[Sequence[tuple[int, int]]], k: int) -> set[int]:
    """The modules that hear module ``k``."""
    return {u for u, ears in enumerate(heard, 1) if any(module == k for module, _ in ears)}
