"""Doors: a call that fails names the argument that is of another kind than it should be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from dnilab import experiments, orderings, training
from dnilab.doors import door, fits
from dnilab.network import Dense, Stack
from dnilab.orderings import Ear

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (1, int),
        (np.int8(1), int),
        (1, float),
        (np.float32(1), float),
        (np.True_, bool),
        (None, int | None),
        (3, int | str),
        ([1.0, 2.0], np.ndarray),
        ([1, 2], Sequence[int]),
        (np.array([1, 2]), tuple[int, ...]),
        ((), Sequence[str]),
        ("h", Sequence[str]),
        ([(1,), [2, 3]], Sequence[Sequence[int]]),
        ({("fit", 1): 0.5}, Mapping[tuple[str, int], float]),
        ((0, 1), Ear),
        (len, Callable[..., int]),
        ("anything", Any),
        ("anything", Literal["end"]),
        (iter([1]), Iterable[str]),  # to look would use it up
    ],
)
def test_what_fits(value: Any, hint: Any) -> None:
    assert fits(value, hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, int),
        (1.0, int),
        ("1", float),
        (1j, float),
        (1, bool),
        (0, str | None),
        (np.array(["h"]), np.ndarray),
        ([[1], [2, 3]], np.ndarray),
        (3, Sequence[int]),
        (np.array(3), Sequence[int]),
        ([1, "a"], Sequence[int]),
        (b"ab", Sequence[str]),
        ([1, 2], Sequence[Sequence[int]]),
        ({("fit", 1): "long"}, Mapping[tuple[str, int], float]),
        ({("fit",): 0.5}, Mapping[tuple[str, int], float]),
        ([1], Mapping[int, int]),
        ((0, 1, 2), Ear),
        (3, Callable[..., int]),
        ("a", Stack),
    ],
)
def test_what_does_not_fit(value: Any, hint: Any) -> None:
    assert not fits(value, hint)


@door
def half(stack: Stack, times: int = 1) -> float:
    if times == 7:
        raise ValueError("times is 7; it accepts others")
    return len(stack.modules) / 2 / times


def test_a_failure_names_the_misfit() -> None:
    with pytest.raises(ValueError, match=r"^stack is 'a'; it accepts Stack") as raised:
        half("a")  # type: ignore[arg-type]
    assert isinstance(raised.value.__context__, AttributeError)  # what happened stays in sight


def test_what_a_function_says_itself_stays() -> None:
    with pytest.raises(ValueError, match=r"^times is 7; it accepts others"):
        half("a", 7)  # type: ignore[arg-type]


def test_where_everything_fits_the_error_stays() -> None:
    stack = experiments.Settings(bits=4, examples=20, test_examples=5, batch_size=5).start()[0]
    assert half(stack) == 1.5
    with pytest.raises(ZeroDivisionError):
        half(stack, 0)
    with pytest.raises(TypeError, match="missing a required argument: 'stack'"):
        half()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: experiments.run(5), "settings is 5"),  # type: ignore[arg-type]
        (lambda: list(training.train(5, 5, orderings.backprop(2), optimiser=5)), "stack is 5"),  # type: ignore[arg-type]
        (lambda: orderings.locks("sequential"), "program is 'sequential'"),  # type: ignore[arg-type]
        (lambda: orderings.sparse(2**62), "modules is"),
    ],
)
def test_the_doors_are_open(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}"):
        call()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGALRM")
def test_random_bad_inputs_are_taken_or_refused_in_words() -> None:
    command = [sys.executable, "tools/bad_inputs.py", "--calls", "1500", "--seed", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    refused = int(done.stdout.split(" refused")[0].split()[-1])
    assert refused > 1000


def test_more_than_fits_into_memory_is_said_with_the_numbers() -> None:
    said = rf"^n_in is 3, n_out is {2**47}: more than fits into memory is asked for$"
    with pytest.raises(ValueError, match=said):
        Dense(3, 2**47, np.random.default_rng(0))
    shaped = door(lambda shape: np.empty(shape))
    with pytest.raises(ValueError, match=r"^shape is \(1073741824, 1048576\): more than fits"):
        shaped((2**30, 2**20))
    outside = door(lambda rows, columns: shaped((rows, columns)))
    with pytest.raises(ValueError, match=r"^rows is 1073741824, columns is 1048576: more than"):
        outside(2**30, 2**20)
    with pytest.raises(ValueError, match=r"^shape is \(1073741824, 1048576\): more than fits"):
        door(lambda text: shaped((*map(int, text.split()), 2**20)))("1073741824")
    with pytest.raises(ValueError, match=r"^text: more than fits into memory is asked for$"):
        door(lambda text: np.empty(int(text)))(str(2**50))
