"""Layers and optimisers with something planted in them, and what must hold after any run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from dnilab.network import SGD, BinaryCrossEntropy, Chain, Layer, Module, Stack
from tests.training.by_hand import small_data

DATA = small_data()
# A thousand epochs of three batches: nothing that is to be ended comes to its end by itself.
LONG: dict[str, Any] = {"optimiser": SGD(1e-4), "batch_size": 4, "epochs": 1000}
PATIENCE = 20.0  # seconds after which something hangs; everything here takes a small part of one


class Planted(Exception):
    """The failure that the tests plant."""


class Hook(Layer):
    """A layer that changes nothing; in training mode it first calls ``act(n)``, n from 1.

    Only calls on the network that is trained count: a copy, as reports look at, does nothing.
    """

    def __init__(self, act: Callable[[int], Any]) -> None:
        self.act = act
        self.calls = 0

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        self.calls += 1
        self.act(self.calls)
        return x, lambda dy, want_dx=True: (dy, [])

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x

    def copy(self, dtype: Any = None) -> Hook:
        return Hook(lambda n: None)


def hooked(stack: Stack, k: int, act: Callable[[int], Any], *, tried: bool = True) -> Stack:
    """The same stack with a hook at the input of module k: ``act(t)`` before batch t, from 0.

    ``tried``: the stack is for train(), which tries every layer once before it begins.
    """

    def from_0(n: int) -> None:
        t = n - 1 - tried
        if t >= 0:
            act(t)

    modules = list(stack.modules)
    body = Chain([Hook(from_0), *modules[k - 1].body.layers])
    modules[k - 1] = Module(body, modules[k - 1].signal)
    return Stack(modules, stack.loss)


@dataclass(frozen=True)
class FailingSGD(SGD):
    """SGD that fails at update ``at``, counted from 0, of the parameters of this ``size``."""

    at: int = 0
    size: int = 0

    def start(self, thetas: Sequence[np.ndarray]) -> Any:
        update = super().start(thetas)
        mine = [theta.size for theta in thetas] == [self.size]
        done = 0

        def failing(grads: Sequence[np.ndarray], batch_size: int) -> None:
            nonlocal done
            if mine and done == self.at:
                raise Planted("this update fails")
            done += 1
            update(grads, batch_size)

        return failing


def network(
    widths: Sequence[int] = (4, 6, 5, 2),
    context: Any = ("h", "y"),
    seed: int = 0,
    **options: Any,
) -> Stack:
    rng = np.random.default_rng(seed)
    return Stack.build(widths, BinaryCrossEntropy(), rng, context=context, **options)


def blas_threads() -> list[int]:
    """How many threads each BLAS uses."""
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


@contextmanager
def nothing_left() -> Iterator[None]:
    """Afterwards there are as many threads as before, which take turns as often as before.

    And BLAS has its two threads again: two, since with one there would be nothing to restore.
    """
    before, turns = set(threading.enumerate()), sys.getswitchinterval()
    with threadpool_limits(2, user_api="blas"):
        assert set(blas_threads()) == {2}, "set by another thread, which lives on"
        try:
            yield
        finally:
            left = [t.name for t in threading.enumerate() if t not in before]
            assert left == []
            assert set(blas_threads()) == {2}
            assert sys.getswitchinterval() == turns


def usable(stack: Stack) -> bool:
    """Whether the network can still be asked: finite answers, one a row."""
    answer = stack.predict(np.linspace(-1, 1, 12).reshape(3, 4))
    return answer.shape == (3, 2) and bool(np.isfinite(answer).all())


def in_time(work: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """What ``work()`` returns or raises; it fails if ``work`` hangs."""
    done: list[Any] = []

    def run() -> None:
        try:
            done.append((work(), None))
        except BaseException as fault:
            done.append((None, fault))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(patience)
    assert done, "hangs"
    thread.join()
    result, fault = done[0]
    if fault is not None:
        raise fault
    return result
