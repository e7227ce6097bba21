"""The page says what the package does: the same orderings, and the same bits at the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnilab import orderings
from dnilab.data import binary_addition
from dnilab.lessons import method
from dnilab.network import SGD, BinaryCrossEntropy, Stack
from dnilab.training import train
from dnilab.training.one_thread import one_blas_thread
from tests.learned import Learned
from tests.training.by_hand import in_the_pages_words

WIDTHS, RATE, GENERATOR_RATE = (24, 20, 16, 12), 0.3, 0.01
HOW = {"batch_size": 32, "epochs": 3, "seed": 5}
THREE_WORKERS = [(1,), (2,), (3,)]

BOTH = {
    "backprop": (method.backprop(3), orderings.backprop(3)),
    "Red Box": (method.sequential(3), orderings.sequential(3)),
    "2 workers, 1 late": (
        method.pipeline([(1,), (2, 3)], 1),
        orderings.pipeline([(1,), (2, 3)], staleness=1),
    ),
    "3 workers, 4 late": (
        method.pipeline(THREE_WORKERS, 4),
        orderings.pipeline(THREE_WORKERS, staleness=4),
    ),
    "1 worker, never late": (
        method.pipeline([(1, 2, 3)], 0),
        orderings.pipeline([(1, 2, 3)], staleness=0),
    ),
}


@pytest.mark.parametrize(("ours", "theirs"), BOTH.values(), ids=BOTH)
def test_its_orderings_are_those_of_the_package(ours: Any, theirs: Any) -> None:
    assert ours == in_the_pages_words(theirs)


@pytest.mark.parametrize(("ordering", "program"), BOTH.values(), ids=BOTH)
def test_it_ends_with_the_bits_of_the_package(ordering: Any, program: Any) -> None:
    data = binary_addition(np.random.default_rng(0), 500, n_test=50)
    with one_blas_thread():
        net = method.build(WIDTHS, seed=1, rate=RATE, generator_rate=GENERATOR_RATE)
        list(method.train(net, ordering, method.shuffled(data.x_train, data.y_train, **HOW)))
    stack = Stack.build(WIDTHS, BinaryCrossEntropy(), np.random.default_rng(1), context=("h", "y"))
    start = stack.copy()
    rates = {"optimiser": SGD(RATE), "generator_optimiser": SGD(GENERATOR_RATE)}
    list(train(stack, data, program, **rates, **HOW))
    for k, module in enumerate(stack.modules, start=1):
        learnt = [net[k].layer]
        if module.generator is not None:
            learnt.append(net[k].signal.linear)
        mine = [layer.W.tobytes() + layer.b.tobytes() for layer in learnt]
        assert mine == [theta.tobytes() for theta in module.thetas]
    untrained = [(a == b).all() for a, b in zip(stack.thetas, start.thetas, strict=True)]
    generators = [False, True, False, True, False]  # bodies and generators in turn
    assert untrained == (generators if program.name == "backprop" else 5 * [False])


@pytest.mark.parametrize(
    ("ordering", "culprit"),
    [
        ([[(method.fit, 1, 0), (method.forward_update, 1, 0)]], "fit of module 1"),
        ([[(method.forward_update, 1, 0)], [(method.backward, 2, 0)]], "backward of module 2"),
        ([[(method.forward_update, 2, 0)]], "forward_update of module 2"),
    ],
)
def test_an_ordering_that_cannot_run_names_the_step(ordering: Any, culprit: str) -> None:
    net = method.build((3, 4, 2), seed=0, rate=0.1, generator_rate=0.1)
    batches = method.shuffled(np.zeros((4, 3)), np.zeros((4, 2)), batch_size=2, epochs=1, seed=0)
    with pytest.raises(ValueError, match=f"^{culprit} can't run: its input never comes$"):
        list(method.train(net, ordering, batches))


def test_it_runs_as_a_program_and_learns(learned: Learned) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "dnilab.lessons.method"],
        cwd=Path(__file__).resolve().parent.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split()[-5:] == ["3", "6", "9", "12", "15"]
    assert len(rows) == 4
    for row in rows:
        right = [float(share.rstrip("%")) for share in row.split()[-5:]]
        name = row[:30].strip()
        learned(f"bits right at first, {name}", right[0], below=98)
        learned(f"bits right at last, {name}", right[-1], above=99)
