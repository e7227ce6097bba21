"""What can be chosen in the playground, and how the controls' values make a line-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dnilab.experiments.settings import DECOUPLED, GROUPED, ORDERINGS, OWN, Settings
from dnilab.lessons.playground.experiments.comparison import BESIDE, MOST_SEEDS, Lineup
from dnilab.network.layers import ACTIVATIONS
from dnilab.network.optimisers import OPTIMISERS
from dnilab.network.signals import CONTEXTS
from dnilab.widgets.controls import Choice, Slider, Spec, Toggle, Words

MOST_HIDDEN = 8

_ORDERING_WORDS = {
    "backprop": "backpropagation",
    "sequential": "sequential (Red Box)",
    "blue box": "threaded as published (Blue Box)",
    "pipeline": "pipeline, a thread per worker",
    "sparse": "sparse updates",
    "complete unlock": "complete unlock",
    "sparse backprop": "sparse backpropagation",
    "last layer only": "last layer only",
}
_SEES = {"h": "activation h", "y": "label y", "x": "input x", "h_norm": "h normalised"}
_SPARSE = ("sparse", "sparse backprop")

SHOWN: Mapping[str, Spec] = {
    "show": Choice({"share right": "right", "test loss": "test loss", "training loss": "loss"},
                   "right", "Show"),
    "over": Choice({"epochs": "epochs", "seconds of training": "seconds"}, "epochs", "Over"),
    "below": Choice(
        {
            "cosine per module": "cosine",
            "timeline of the last batches": "timeline",
            "network: who waits for whom": "network",
            "nothing": "nothing",
        },
        "cosine",
        "Below the curves",
    ),
    "moment": Slider(1, 12, 1, 6, "Moment of the network"),
}  # fmt: skip
"""Controls that change how a run is shown, not the run."""


def specs(lineup: Lineup, own: bool) -> dict[str, Spec]:
    """The controls that make a run, set to ``lineup``; ``own``: the reader brought arrays."""
    start = values_of(lineup)
    tasks = {"binary addition": "addition", "scanned digits": "digits"}
    if own:
        tasks = {"your arrays": OWN, **tasks}
    plain: dict[str, Spec] = {
        "task": Choice(tasks, "addition", "Task"),
        "bits": Slider(4, 24, 1, 12, "Bits of each number"),
        "examples": Slider(100, 20_000, 100, 2000, "Training sums"),
        "seeds": Slider(1, MOST_SEEDS, 1, 5, "Seeds"),
        "depth": Slider(1, MOST_HIDDEN, 1, 2, "Hidden layers"),
        "widths": Words("128, 64", "Width of each", "such as 128, 64"),
        "activation": Choice(list(ACTIVATIONS), "tanh", "Activation"),
        "batch_norm": Toggle(False, "Batch normalisation"),
        "generator": Choice(["none", "linear", "hidden layer"], "linear", "Generator"),
        "generator_width": Slider(4, 512, 1, 64, "Width of its hidden layer"),
        **{f"sees {part}": Toggle(False, f"sees {_SEES[part]}") for part in CONTEXTS},
        "ordering": Choice(
            {_ORDERING_WORDS[name]: name for name in ORDERINGS}, "sequential", "Ordering"
        ),
        "workers": Slider(1, MOST_HIDDEN + 1, 1, 2, "Workers"),
        "staleness": Slider(0, 16, 1, 1, "Staleness", "batches"),
        "p": Slider(0.05, 1.0, 0.05, 0.5, "Chance p of an update"),
        "optimiser": Choice(list(OPTIMISERS), "adam", "Optimiser"),
        "rate": Slider(1e-5, 10.0, 0.1, 3e-3, "Learning rate", log=True),
        "generator_rate": Slider(
            1e-5, 10.0, 0.1, 3e-3, "Learning rate of the generators", log=True
        ),
        "batch_size": Slider(1, 1000, 1, 32, "Batch size"),
        "epochs": Slider(1, 200, 1, 12, "Epochs"),
        **{f"beside {name}": Toggle(False, name) for name in BESIDE},
    }
    return {name: replace(spec, value=start[name]) for name, spec in plain.items()}


GROUPS: Mapping[str, tuple[str, ...]] = {
    "Ordering": ("ordering", "workers", "staleness", "p"),
    "Generator": ("generator", "generator_width", *(f"sees {part}" for part in CONTEXTS)),
    "Beside it": tuple(f"beside {name}" for name in BESIDE),
    "Task": ("task", "bits", "examples", "seeds"),
    "Network": ("depth", "widths", "activation", "batch_norm"),
    "Training": ("epochs", "batch_size", "rate", "generator_rate", "optimiser"),
}
"""The controls in the order and under the headings in which they are shown."""


def widths_of(text: str) -> tuple[int, ...]:
    """The widths in a text such as "128, 64"; ValueError if it is another."""
    words = text.replace(",", " ").split()
    if not 1 <= len(words) <= MOST_HIDDEN or not all(w.isdecimal() and int(w) > 0 for w in words):
        raise ValueError(
            f"Width of each is {text!r}; it accepts 1 to {MOST_HIDDEN} whole numbers, such as "
            "128, 64"
        )
    if any(int(word) > 2000 for word in words):
        raise ValueError(f"Width of each is {text!r}; it accepts widths up to 2000")
    return tuple(map(int, words))


def with_depth(text: str, depth: int) -> str:
    """``text`` with as many widths as ``depth``: cut, or with its last width again."""
    try:
        widths = widths_of(text)
    except ValueError:
        widths = (64,)
    return ", ".join(map(str, (widths + (widths[-1],) * depth)[:depth]))


def lineup_of(values: Mapping[str, Any]) -> Lineup:
    """The line-up that the values of the controls stand for.

    Raises ValueError, in words, if they can't go together.
    """
    ordering = values["ordering"]
    if values["generator"] == "none" and ordering in DECOUPLED:
        if ordering != "sequential":
            raise ValueError(
                f"the generator is 'none'; the ordering {ordering!r} accepts 'linear' and "
                "'hidden layer'"
            )
        ordering = "last layer only"  # nobody tells the modules below what to do
    context = tuple(part for part in CONTEXTS if values[f"sees {part}"])
    if not context:
        raise ValueError("the generator sees nothing; it accepts at least one of h, y, x, h_norm")
    if "h" in context and "x" in context:  # the order in which the course writes them
        context = ("x", *(part for part in context if part != "x"))
    rate, generator_rate = values["rate"], values["generator_rate"]
    batch_size, examples = values["batch_size"], values["examples"]
    bits = values["bits"]
    room = 4 ** (bits - 1)
    settings = Settings(
        task=values["task"],
        bits=bits,
        examples=examples,
        # Few bits leave fewer sums for testing; where there are none at all, Settings says so.
        test_examples=max(1, min(500, room - examples)),
        hidden=widths_of(values["widths"]),
        activation=values["activation"],
        batch_norm=values["batch_norm"],
        dtype="float32",
        context=context,
        generator_hidden=(
            (values["generator_width"],) if values["generator"] == "hidden layer" else ()
        ),
        ordering=ordering,
        workers=values["workers"] if ordering in GROUPED else 2,
        staleness=values["staleness"] if ordering in GROUPED else 1,
        p=values["p"] if ordering in _SPARSE else 0.5,
        optimiser=values["optimiser"],
        rate=rate,
        generator_rate=None if generator_rate == rate else generator_rate,
        batch_size=batch_size,
        epochs=values["epochs"],
    )
    return Lineup(
        settings, values["seeds"], tuple(name for name in BESIDE if values[f"beside {name}"])
    )


def values_of(lineup: Lineup) -> dict[str, Any]:
    """The values of the controls that stand for ``lineup``."""
    settings = lineup.settings
    hidden = settings.generator_hidden
    return {
        "task": settings.task,
        "bits": settings.bits,
        "examples": settings.examples,
        "seeds": lineup.seeds,
        "depth": len(settings.hidden),
        "widths": ", ".join(map(str, settings.hidden)),
        "activation": settings.activation,
        "batch_norm": settings.batch_norm,
        "generator": "hidden layer" if hidden else "linear",
        "generator_width": hidden[0] if hidden else 64,
        **{f"sees {part}": part in settings.context for part in CONTEXTS},
        "ordering": settings.ordering,
        "workers": settings.workers,
        "staleness": settings.staleness,
        "p": settings.p,
        "optimiser": settings.optimiser,
        "rate": settings.rate,
        "generator_rate": (
            settings.rate if settings.generator_rate is None else settings.generator_rate
        ),
        "batch_size": settings.batch_size,
        "epochs": settings.epochs,
        **{f"beside {name}": name in lineup.beside for name in BESIDE},
    }


def idle(values: Mapping[str, Any]) -> set[str]:
    """The controls that change nothing as the others stand: they are greyed out."""
    out: set[str] = set()
    ordering = values["ordering"]
    compared = any(values[f"beside {name}"] for name in BESIDE if name.startswith(("DNI", "Red")))
    if ordering not in DECOUPLED and not compared:
        out |= {"generator", "generator_rate", *(f"sees {part}" for part in CONTEXTS)}
    if values["generator"] != "hidden layer" or "generator" in out:
        out.add("generator_width")
    if ordering not in GROUPED:
        out |= {"workers", "staleness"}
    if ordering not in _SPARSE:
        out.add("p")
    if values["below"] != "network":
        out.add("moment")
    if values["task"] != "addition":
        out |= {"bits", "examples"}
    return out


def unreachable(lineup: Lineup) -> str:
    """Why the controls cannot stand for ``lineup``, or ""."""
    settings = lineup.settings
    values = values_of(lineup)
    for name, spec in specs(Lineup(), True).items():
        try:
            spec.check(name, values[name])
        except ValueError as error:
            return str(error)
    if len(settings.generator_hidden) > 1:
        return "generator_hidden: the playground accepts one hidden layer at most"
    try:
        again = lineup_of(values)
    except ValueError as error:
        return str(error)
    for name, value in vars(settings).items():
        got = getattr(again.settings, name)
        same = set(got) == set(value) if name == "context" else got == value
        if not same and name not in ("seed", "dtype", "test_examples", "generator_rate", "workers",
                                     "staleness", "p"):  # fmt: skip
            return f"{name}: got {value!r}; the playground has {got!r} there, without a control"
    return ""
