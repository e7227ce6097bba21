"""The program that the playground writes down: run as it stands, it gives the same curves."""

import numpy as np
import pytest

from dnilab.experiments import Settings
from dnilab.lessons.playground.data import own_arrays
from dnilab.lessons.playground.experiments.as_python import as_python
from dnilab.lessons.playground.experiments.comparison import PRESETS, Lineup
from dnilab.lessons.playground.experiments.growing_lines import live

TINY = Settings(
    bits=6, examples=200, test_examples=50, hidden=(8, 6), epochs=2, batch_size=20, dtype="float32"
)
DIVERGES = TINY.but(optimiser="sgd", rate=10.0, generator_rate=10.0, activation="relu", epochs=5)
SMALL = {
    "addition": Lineup(TINY, 2, ("backprop", "DNI(h)")),
    "alone": Lineup(TINY.but(generator_hidden=(5,), context=("x", "h"), cuts=(2,)), 1),
    "two of a name": Lineup(TINY, 1, ("batch norm the other way",)),
    "digits": Lineup(TINY.but(task="digits", batch_size=300), 2, ("backprop",)),
    "pipeline": Lineup(TINY.but(ordering="pipeline", staleness=2), 1, ("Red Box",)),
    "diverges": Lineup(DIVERGES, 2, ("last layer only",)),
}


def same_numbers(lineup, own=None, **names):
    """Run the program, and compare each of its lines with that of the playground."""
    exec(compile(as_python(lineup, own), "<copied>", "exec"), names)
    *_, end = live(lineup, own)
    assert [line.label for line in names["lines"]] == [line.label for line in end.lines]
    for copied, line in zip(names["lines"], end.lines, strict=True):
        going = np.isfinite(copied.y).all(axis=0)
        np.testing.assert_array_equal(copied.x[: going.sum()], line.epoch[: going.sum()])
        ours = line.values["right"]
        np.testing.assert_array_equal(copied.y[:, going], ours[:, np.isfinite(ours).all(axis=0)])
        assert going.any()
    return end


@pytest.mark.parametrize("name", SMALL)
def test_it_gives_the_curves_of_the_playground(name, capsys):
    end = same_numbers(SMALL[name])
    assert capsys.readouterr().out.count("% right") == len(end.lines)


def test_with_arrays_of_ones_own():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    Y = (X[:, 0] > 0).astype(int)
    lineup = Lineup(TINY.but(task="own arrays"), 2, ("backprop",))
    same_numbers(lineup, own_arrays(X, Y), X=X, Y=Y)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_copied(name):
    program = as_python(PRESETS[name])
    compile(program, "<copied>", "exec")
    assert max(map(len, program.splitlines())) < 200
    assert f"range({PRESETS[name].seeds})" in program
