"""Settings of convolutions, the same bits on every executor, and gradients as images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dnilab.experiments import run
from dnilab.lessons.convolutions.experiments import (
    ConvolutionSettings,
    guessed_images,
    watch_guesses,
)
from dnilab.network import relative_error
from tests.learned import Learned

SMALL = ConvolutionSettings(hidden=(3, 4, 5), epochs=1)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"task": "addition"}, "task is 'addition'; .*'digits'"),
        ({"hidden": ()}, r"hidden is \(\)"),
        ({"hidden": (4, 0)}, "hidden is 0"),
        ({"ordering": "complete unlock"}, "without input models"),
        ({"size": 2}, "size is 2; it accepts odd"),
        ({"size": 0}, "size is 0"),
        ({"size": 3.0}, "size is 3.0"),
        ({"downsampling": "none"}, "downsampling is 'none'"),
        ({"downsampling": "max", "hidden": (2, 2, 2, 2)}, "up to 3 numbers"),
        ({"generator": "linear"}, "generator is 'linear'"),
        ({"rate": 0}, "rate is 0"),
    ],
)
def test_out_of_range(values: dict[str, Any], says: str) -> None:
    for make in (lambda: ConvolutionSettings(**values), lambda: SMALL.but(**values)):
        with pytest.raises(ValueError, match=says):
            make()


def test_names() -> None:
    assert SMALL.name == "dense DNI(h, y)"
    assert SMALL.but(ordering="backprop").name == "backprop"
    other = SMALL.but(generator="convolutional", context=("h",), ordering="pipeline")
    assert other.name == "convolutional DNI(h), pipeline"


def weights(settings: ConvolutionSettings) -> list[bytes]:
    result = run(settings, report_every=10**9)
    assert result.diverged is None
    return [theta.tobytes() for theta in result.stack.thetas]


@pytest.mark.parametrize("generator", ["dense", "convolutional"])
@pytest.mark.parametrize("staleness", [0, 2])
def test_threads_and_one_thread_give_the_same_bits(generator: str, staleness: int) -> None:
    base = SMALL.but(
        ordering="pipeline", generator=generator, workers=3, staleness=staleness, batch_size=64
    )
    on_threads = weights(base)
    assert on_threads == weights(base.but(executor="one thread"))
    sequential = weights(base.but(ordering="sequential"))
    assert (on_threads == sequential) is (staleness == 0)


def left_of(curve: np.ndarray) -> float:
    """The last value, as a share of the first."""
    return float(curve[-1] / curve[0])


@pytest.mark.parametrize("ordering", ["sparse", "sparse backprop", "blue box"])
def test_other_programs_run_unchanged(ordering: str, seed: int, learned: Learned) -> None:
    base = SMALL.but(seed=seed, executor="one thread", batch_size=128, epochs=4)
    result = run(base.but(ordering=ordering))
    assert result.diverged is None
    learned("loss left", left_of(result.curve("loss")), below=1)


@pytest.mark.parametrize("generator", ["dense", "convolutional"])
def test_generators_learn_to_guess(generator: str, seed: int, learned: Learned) -> None:
    base = SMALL.but(seed=seed, hidden=(8, 16, 16), epochs=4, probe_rows=200)
    result = run(base.but(generator=generator))
    learned("least cosine", result.modules("cosine")[-1].min(), above=0.05)
    learned("errors left", left_of(result.curve("class_error")), below=0.5)


@pytest.mark.parametrize("downsampling", ["max", "mean"])
def test_pooling_trains(downsampling: str, seed: int, learned: Learned) -> None:
    base = SMALL.but(seed=seed, hidden=(8, 16, 16), ordering="backprop", epochs=3)
    result = run(base.but(downsampling=downsampling))
    learned("errors left", left_of(result.curve("class_error")), below=0.5)


def test_modules_are_divided_among_workers() -> None:
    data = SMALL.data()
    assert SMALL.but(hidden=(16, 32, 64), workers=2).groups(data) in (
        ((1,), (2, 3, 4)), ((1, 2), (3, 4)),
    )  # fmt: skip
    assert SMALL.but(workers=4).groups(data) == ((1,), (2,), (3,), (4,))


class TestImages:
    stack = SMALL.stack(SMALL.data())
    data = SMALL.data()
    x, y = data.x_train[:20], data.y_train[:20]

    def test_shapes(self) -> None:
        seen = guessed_images(self.stack, self.x, self.y, 2, rows=[0, 3, 5])
        assert seen.true.shape == seen.guess.shape == (3, 2, 2, 4)
        assert seen.true_at_pixels.shape == seen.guess_at_pixels.shape == (3, 8, 8)
        assert seen.cosine == 0  # fresh generators guess zero
        assert not seen.guess_at_pixels.any()

    def test_pulled_to_the_pixels_it_is_the_gradient_there(self) -> None:
        stack = self.stack.copy(np.float64)
        x, y = self.x.astype(float), self.y.astype(float)
        h, pullbacks = x, []
        for module in stack.modules:
            h, pullback = module(h)
            pullbacks.append(pullback)
        g = stack.loss.gradient(h, y)
        for pullback in reversed(pullbacks):
            g, _ = pullback(g)
        for module in (1, 2, 3):
            seen = guessed_images(stack, x, y, module)
            assert relative_error(seen.true_at_pixels, g.reshape(20, 8, 8)) < 1e-12

    @pytest.mark.parametrize("module", [0, 4, 1.5])
    def test_modules(self, module: Any) -> None:
        with pytest.raises(ValueError, match="module is"):
            guessed_images(self.stack, self.x, self.y, module)


class TestWatching:
    def test_a_moment_for_each_report(self) -> None:
        moments = list(watch_guesses(SMALL, 1, [0, 1], batch=50, report_every=22))
        assert [moment.report.batch for moment in moments] == [0, 22, 44]
        sizes = [float(np.abs(moment.seen.guess).max()) for moment in moments]
        assert sizes[0] == 0 < sizes[1] != sizes[2]

    def test_there_must_be_guesses(self) -> None:
        with pytest.raises(ValueError, match="ordering is 'backprop'"):
            next(watch_guesses(SMALL.but(ordering="backprop"), 1, [0]))


def test_class_means_are_means_over_the_rows_of_a_class() -> None:
    data = SMALL.data()
    x, y = data.x_train[:200], data.y_train[:200]
    seen = guessed_images(run(SMALL).stack, x, y, 1)
    means = seen.class_means(y)
    assert means.module == 1
    for digit in range(10):
        rows = y[:, digit] == 1
        for name in ("true", "guess", "true_at_pixels", "guess_at_pixels"):
            expected = getattr(seen, name)[rows].mean(axis=0)
            np.testing.assert_allclose(getattr(means, name)[digit], expected, rtol=1e-4, atol=1e-6)
    cosines = means.cosines_at_pixels
    a, b = means.guess_at_pixels[3].ravel(), means.true_at_pixels[3].ravel()
    assert cosines.shape == (10,)
    assert cosines[3] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), rel=1e-5)


def test_class_means_refuse_other_labels() -> None:
    data = SMALL.data()
    seen = guessed_images(SMALL.stack(data), data.x_train[:20], data.y_train[:20], 1)
    with pytest.raises(ValueError, match="y has shape"):
        seen.class_means(data.y_train[:19])
    with pytest.raises(ValueError, match="y has no row of class 0; it accepts one of each"):
        seen.class_means(np.eye(10)[np.ones(20, int)])
