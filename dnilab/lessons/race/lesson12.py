"""Lesson 12: what waiting costs, and when a way that does not wait wins.

Both answers are one number; the checkers ask for several cases, in which every mistake that they
know of gives another one.
"""

from __future__ import annotations

from dnilab.exercises import Function, Verdict, checker, judge_numbers

# workers, micro-batches
PIPELINES: tuple[tuple[int, int], ...] = ((2, 4), (4, 4), (3, 8), (8, 32))
# workers, micro-batches, cost of the signal over the work of backpropagation
RIVALS: tuple[tuple[int, int, float], ...] = (
    (2, 4, 0.04),
    (4, 8, 0.1),
    (3, 2, 0.01),
    (8, 16, 0.02),
)


@checker
def check_pipeline_speed(pipeline_speed: Function) -> Verdict:
    """Check ``pipeline_speed(workers, micro_batches)`` -> how many times as fast as in line.

    Backpropagation in micro-batches, with a flush: equal workers, messages that take no time.
    """

    def rule(w: int, m: int) -> tuple[float, dict[str, float]]:
        right = m * w / (m + w - 1)
        return right, {
            "it is upside down: the time in line over the time of the pipeline.": 1 / right,
            "it is the time, in turns of one micro-batch. Divide the time in line by it.": m
            + w
            - 1,
            "it forgets the bubble: while the pipeline fills, the later workers wait.": w,
            "the first worker does not wait for itself: W - 1 turns, not W.": m * w / (m + w),
            "it is the speed of zero bubble. In 1F1B the backward is one piece, and the bubble is "
            "three times as long.": 3 * m * w / (3 * m + w - 1),
            "it counts the bubble twice. Filling and draining together cost a worker W - 1 turns, "
            "each as long as one micro-batch up and down.": m * w / (m + 2 * (w - 1)),
            "workers and micro-batches have changed places in the bubble: it has as many turns as "
            "there are workers, less one.": m * w / (w + m * (m - 1)),
            "it is the share of the bubble. How many times as fast is it then?": (w - 1)
            / (m + w - 1),
            "it is the share of time in which a worker works. There are W of them.": m
            / (m + w - 1),
        }

    return judge_numbers("pipeline_speed(workers, micro_batches)", pipeline_speed, PIPELINES, rule)


@checker
def check_most_batches(most_batches: Function) -> Verdict:
    """Check ``most_batches(workers, micro_batches, signal)`` -> one number.

    How many times the batches of backpropagation a way that does not wait may need, and still be
    there no later than 1F1B.  Equal workers; ``signal``: what the signal costs the slowest worker,
    over the whole work of backpropagation.
    """

    def rule(w: int, m: int, s: float) -> tuple[float, dict[str, float]]:
        waits, guesses = (1 + (w - 1) / m) / w, 1 / w + s
        return waits / guesses, {
            "it is upside down: the time of 1F1B is above the line.": guesses / waits,
            "it compares with backpropagation in line. 1F1B has W workers as well.": 1 / guesses,
            "it forgets the signal, which every batch pays for.": waits * w,
            "it forgets the bubble of 1F1B.": 1 / w / guesses,
            "the signal is a share of all the work, and a worker does only 1 / W of that.": (
                waits / ((1 + s) / w)
            ),
            "it subtracts the price of the signal. On the left e multiplies 1 + W s: divide.": (
                waits * w - w * s
            ),
            "it is how many times as fast a batch is, less one. How many batches may it need?": (
                waits / guesses - 1
            ),
        }

    return judge_numbers("most_batches(workers, micro_batches, signal)", most_batches, RIVALS, rule)
