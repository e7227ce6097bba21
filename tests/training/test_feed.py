"""A feed: all workers see the same batches, whoever asks first, and old ones are let go."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dnilab.data.dataset import Feed
from dnilab.lessons.method import shuffled
from tests.training.by_hand import small_data

DATA = small_data()


@given(asked=st.lists(st.integers(0, 11), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_batch_t_is_batch_t_in_whatever_order_it_is_asked_for(asked: list[int], seed: int) -> None:
    wanted = list(shuffled(DATA.x_train, DATA.y_train, 4, 4, seed))  # three an epoch
    feed = Feed(DATA, 4, seed)
    for t in asked:
        x, y = wanted[t]
        np.testing.assert_array_equal(feed.y(t), y)
        np.testing.assert_array_equal(feed.x(t), x)
        assert feed.x(t) is feed.x(t)  # gathered once, however many modules look


def test_it_holds_no_more_than_what_is_not_yet_forgotten() -> None:
    feed = Feed(DATA, 4, 0)
    for t in range(50):
        feed.x(t)
        feed.y(t)
        feed.forget(t - 1)
        assert len(feed._kept) <= 2
