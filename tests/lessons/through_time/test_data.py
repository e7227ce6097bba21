"""Tasks through time: what is asked is what was shown, at the right step, and hints do not lie."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from dnilab.lessons.through_time.data import SEQUENCE_TASKS, Copy, Echo, Recall

BATCH = 6
TASKS = [Echo(1), Echo(5), Recall(0), Recall(7), Recall(3, 5), Copy(1), Copy(4)]


def rng(seed=0):
    return np.random.default_rng(seed)


def pieces(task, n=3, **options):
    return list(islice(task.stream(rng(), BATCH, **options), n))


@pytest.mark.parametrize("task", TASKS, ids=str)
class TestEveryTask:
    def test_shapes(self, task):
        for piece in pieces(task):
            steps = len(piece.x)
            assert piece.x.shape == (steps, BATCH, task.inputs)
            assert piece.y.shape == (steps, BATCH, task.outputs)
            assert piece.asked.shape == (steps, BATCH)
            assert piece.upcoming.shape == (steps, BATCH, task.full_horizon * task.outputs)
            assert np.isin(piece.y, (0, 1)).all()
            assert np.isin(piece.asked, (0, 1)).all()
            assert piece.asked.any()

    def test_equal_seeds_give_equal_sequences(self, task):
        for one, other in zip(pieces(task), pieces(task), strict=True):
            assert np.array_equal(one.x, other.x)
            assert np.array_equal(one.upcoming, other.upcoming)
        first, second = pieces(task, 2)
        assert not np.array_equal(first.x, second.x)

    def test_upcoming_are_the_targets_of_the_next_steps(self, task):
        """Found again from y and asked alone, step by step, over all that was drawn."""
        drawn = pieces(task)
        if task.name == "echo":
            join = {n: np.concatenate([getattr(p, n) for p in drawn]) for n in ("y", "asked")}
            runs = [(join["y"], join["asked"], np.concatenate([p.upcoming for p in drawn]))]
        else:
            runs = [(p.y, p.asked, p.upcoming) for p in drawn]
        checked = 0
        for y, asked, upcoming in runs:
            for t, row in np.ndindex(asked.shape):
                steps = [s for s in range(t + 1, len(y)) if task.name != "recall" or asked[s, row]]
                later = [(2 * y[s, row] - 1) * asked[s, row] for s in steps]
                wanted = later[: task.full_horizon]
                if task.name == "echo" and (len(wanted) < task.full_horizon or t < task.delay):
                    continue  # near the ends: what comes after is not drawn here, or not asked
                flat = np.zeros(task.full_horizon * task.outputs)
                if wanted:
                    flat[: len(wanted) * task.outputs] = np.concatenate(wanted)
                assert np.array_equal(upcoming[t, row], flat)
                checked += 1
        assert checked > 0

    def test_harder_is_one_step_longer(self, task):
        harder = task.harder()
        assert type(harder) is type(task)
        assert harder.delay == task.delay + 1
        assert harder.outputs == task.outputs

    def test_bad_arguments_are_named(self, task):
        with pytest.raises(ValueError, match="rng is 0"):
            task.stream(0, 1)
        with pytest.raises(ValueError, match="batch is 0"):
            task.stream(rng(), 0)
        with pytest.raises(ValueError, match="horizon is 0"):
            task.stream(rng(), 1, horizon=0)


def test_echo_says_every_bit_again_across_pieces():
    drawn = pieces(Echo(5), 4, steps=3)  # pieces shorter than the delay
    x, y, asked = (np.concatenate([getattr(p, n) for p in drawn]) for n in ("x", "y", "asked"))
    assert (asked[:5] == 0).all()
    assert (asked[5:] == 1).all()
    assert np.array_equal(2 * y[5:] - 1, x[:-5])
    assert [p.starts for p in drawn] == [True, False, False, False]
    assert not any(p.ends for p in drawn)


def test_echo_knows_only_targets_whose_bits_were_shown():
    (piece,) = pieces(Echo(3), 1, steps=40)
    assert np.array_equal(piece.upcoming[10, :, -1], piece.x[10, :, 0])  # said 3 steps later
    with pytest.raises(ValueError, match="horizon is 4; it accepts 1 to 3"):
        Echo(3).stream(rng(), 1, horizon=4)


@pytest.mark.parametrize("task", [Recall(4), Recall(0), Recall(4, 8)])
def test_recall_asks_for_what_was_marked(task):
    for piece in pieces(task):
        assert len(piece.x) == task.delay + 2
        assert piece.starts
        assert piece.ends
        mark, question = piece.x[..., -2], piece.x[..., -1]
        assert (mark[0] == 1).all()
        assert not mark[1:].any()
        assert (question[-1] == 1).all()
        assert not question[:-1].any()
        assert np.array_equal(piece.asked, question)
        shown = piece.x[0, :, :-2]
        assert np.array_equal(piece.y[-1], shown > 0)
        assert not piece.x[-1, :, :-2].any()  # the question gives nothing away


def test_recall_distracts_with_other_symbols():
    piece = next(Recall(6).stream(rng(), 400))
    agrees = (piece.x[1:-1, :, 0] == piece.x[0, :, 0]).mean()
    assert 0.45 < agrees < 0.55
    assert 0.4 < piece.y[-1].mean() < 0.6


def test_copy_asks_in_the_same_order():
    for piece in pieces(Copy(4)):
        assert np.array_equal(piece.y[4:, :, 0], piece.x[:4, :, 0] > 0)
        assert not piece.x[4:, :, 0].any()
        assert np.array_equal(piece.asked, piece.x[..., 1])


def test_a_place_in_the_horizon_of_copy_is_a_distance_in_time():
    (piece,) = pieces(Copy(2), 1, horizon=5)
    signs, zeros = piece.x[:2, :, 0].T, np.zeros((BATCH, 5))
    assert np.array_equal(piece.upcoming[0], np.hstack([zeros[:, :1], signs, zeros[:, :2]]))
    assert np.array_equal(piece.upcoming[1], np.hstack([signs, zeros[:, :3]]))
    assert np.array_equal(piece.upcoming[2], np.hstack([signs[:, 1:], zeros[:, :4]]))
    assert not piece.upcoming[3].any()


def test_all_bits_of_copy_are_seen_from_the_first_step():
    (piece,) = pieces(Copy(3), 1)
    assert np.array_equal(piece.upcoming[0][:, -3:], piece.x[:3, :, 0].T)


def test_chance():
    assert Recall(1, 8).chance == 3
    assert Echo(1).chance == Copy(1).chance == Recall(1).chance == 1


def test_by_name():
    assert {"echo": Echo, "recall": Recall, "copy": Copy} == SEQUENCE_TASKS
    for wrong in (lambda: Echo(0), lambda: Recall(-1), lambda: Recall(1, 1), lambda: Copy(0)):
        with pytest.raises(ValueError, match="accepts a whole number"):
            wrong()
