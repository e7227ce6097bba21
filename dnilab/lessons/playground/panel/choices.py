"""What can be chosen in the playground, and how the controls' values make a line-up.

The controls come from the rows of the settings' table.  A setting with a label there has a control
of its own name; a few others are shown as several controls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import compress
from typing import Any

from dnilab.checks import refuse, shown
from dnilab.experiments.settings import DECOUPLED, OWN, Settings
from dnilab.experiments.settings_table import Row
from dnilab.lessons.playground.experiments.comparison import BESIDE, Lineup, read_text
from dnilab.lessons.playground.panel.words import Whole, Words, spec_of
from dnilab.network.modules import CONTEXTS
from dnilab.widgets.controls import Choice, Spec, Toggle

MOST_HIDDEN = 8
MOST_WIDE = 2000

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
    "moment": Whole(1, 12, 1, 6, "Moment of the network"),
}  # fmt: skip
"""Controls that change how a run is shown, not the run."""


def widths_of(text: str) -> tuple[int, ...]:
    """The widths in a text such as "128, 64"; ValueError if it is another."""
    words = text.replace(",", " ").split()
    widths = tuple(int(word) for word in words if word.isdecimal() and len(word) < 5)
    fits = len(widths) == len(words) and all(1 <= width <= MOST_WIDE for width in widths)
    if not (fits and 1 <= len(words) <= MOST_HIDDEN):
        accepts = f"1 to {MOST_HIDDEN} whole numbers up to {MOST_WIDE}, such as 128, 64"
        refuse("Width of each", text, accepts)
    return widths


def with_depth(text: str, depth: int) -> str:
    """``text`` with as many widths as ``depth``: cut, or with its last width again."""
    try:
        widths = widths_of(text)
    except ValueError:
        widths = (64,)
    return ", ".join(map(str, (widths + (widths[-1],) * depth)[:depth]))


def _context(*ticked: bool) -> tuple[str, ...]:
    context = tuple(compress(CONTEXTS, ticked))
    if not context:
        raise ValueError("the generator sees nothing; it accepts at least one of h, y, x, h_norm")
    return tuple(sorted(context, key=("x", *CONTEXTS).index))  # as the course writes them


def _generator(hidden: tuple[int, ...]) -> tuple[str, int]:
    if len(hidden) > 1:
        raise ValueError(f"generator_hidden is {hidden}; the playground accepts one width at most")
    return ("hidden layer", hidden[0]) if hidden else ("linear", 64)


@dataclass(frozen=True)
class Controls:
    """The controls that stand for one setting, by their names.

    ``values(setting)``: of each of them.  ``setting(*values)``: what they stand for together.
    """

    specs: Mapping[str, Spec]
    values: Callable[[Any], Iterable[Any]]
    setting: Callable[..., Any]


_SEES = {"h": "activation h", "y": "label y", "x": "input x", "h_norm": "h normalised"}
_SEVERAL: dict[str, Controls] = {
    "hidden": Controls(
        {
            "depth": Whole(1, MOST_HIDDEN, 1, 2, "Hidden layers"),
            "widths": Words("128, 64", "Width of each", "such as 128, 64"),
        },
        lambda hidden: (len(hidden), ", ".join(map(str, hidden))),
        lambda depth, widths: widths_of(widths),
    ),
    "generator_hidden": Controls(
        {
            "generator": Choice(["none", "linear", "hidden layer"], "linear", "Generator"),
            "generator_width": Whole(4, 512, 1, 64, "Width of its hidden layer"),
        },
        _generator,
        lambda generator, width: (width,) if generator == "hidden layer" else (),
    ),
    "context": Controls(
        {f"sees {part}": Toggle(False, f"sees {_SEES[part]}") for part in CONTEXTS},
        lambda context: [part in context for part in CONTEXTS],
        _context,
    ),
    "beside": Controls(
        {f"beside {name}": Toggle(False, name) for name in BESIDE},
        lambda beside: [name in beside for name in BESIDE],
        lambda *ticked: tuple(compress(BESIDE, ticked)),
    ),
}


def _layers_a_module(cuts: Any, layers: int) -> int:
    """The control that stands for ``cuts`` in a network of so many layers; ValueError if none."""
    if cuts is None:
        return 1
    every = layers if cuts == () else cuts[0] if isinstance(cuts, tuple) else 0
    if not every or tuple(range(every, layers, every)) != cuts:
        refuse("cuts", cuts, "None, or a cut after every so many layers, in the playground")
    return int(every)


_DEFAULTS = {**vars(Settings(generator_rate=Settings.rate)), **vars(Lineup())}


def _one(name: str, row: Row) -> Controls:
    """The control of a setting, called as it is."""
    return Controls(
        {name: spec_of(row, _DEFAULTS[name])}, lambda value: (value,), lambda value: value
    )


CONTROLS: Mapping[str, Controls] = _SEVERAL | {
    name: _one(name, row) for name, row in {**Settings.rows(), **Lineup.rows()}.items() if row.label
}
"""The controls of every setting that has some."""

LAYERS = "layers"
"""The control for how many layers a module has; it stands for the cuts, given the depth."""

FIRST_GROUP, COMPARED = "First of all", "Beside it, to compare"
GROUPS: Mapping[str, tuple[str, ...]] = {
    FIRST_GROUP: ("rate", "depth"),
    "Generator": ("generator", "generator_width", *_SEVERAL["context"].specs),
    COMPARED: tuple(_SEVERAL["beside"].specs),
    "Ordering": ("ordering", "workers", "staleness", "p"),
    "Task": ("task", "bits", "examples", "seeds"),
    "Network": ("widths", LAYERS, "activation", "batch_norm"),
    "Training": ("epochs", "batch_size", "generator_rate", "optimiser"),
}
"""The controls in the order and under the headings in which they are shown."""

COME_AND_GO = frozenset(
    ("generator_width", "workers", "staleness", "p", "bits", "examples", "moment")
)
"""Controls that belong to one choice of another: they are there only while it is chosen."""


def specs(lineup: Lineup, own: bool) -> dict[str, Spec]:
    """The controls that make a run, set to ``lineup``; ``own``: the reader brought arrays."""
    every = {name: spec for one in CONTROLS.values() for name, spec in one.specs.items()}
    if not own:
        label, tasks = Settings.rows()["task"].label, Settings.rows()["task"].offers
        tasks = {words: task for words, task in tasks.items() if task != OWN}
        every["task"] = Choice(tasks, "addition", label)
    every[LAYERS] = Whole(1, MOST_HIDDEN + 1, 1, 1, "Layers per module")
    start = values_of(lineup)
    shown = [name for names in GROUPS.values() for name in names]
    return {name: replace(every[name], value=start[name]) for name in shown}  # type: ignore[type-var]


def values_of(lineup: Lineup) -> dict[str, Any]:
    """The values of the controls that stand for ``lineup``.  ValueError if none can."""
    settings = {**vars(lineup.settings), **vars(lineup)}
    if settings["generator_rate"] is None:
        settings["generator_rate"] = settings["rate"]
    found: dict[str, Any] = {}
    for name, one in CONTROLS.items():
        found |= zip(one.specs, one.values(settings[name]), strict=True)
    found[LAYERS] = _layers_a_module(settings["cuts"], len(settings["hidden"]) + 1)
    return found


def _setting(name: str, values: Mapping[str, Any]) -> Any:
    """The setting that the values of its controls stand for."""
    return CONTROLS[name].setting(*(values[control] for control in CONTROLS[name].specs))


def lineup_of(values: Mapping[str, Any]) -> Lineup:
    """The line-up that the values of the controls stand for.

    A setting that changes nothing stays at its default.  Raises ValueError, in the words of the
    controls, if the values can't go together.
    """
    try:
        return _lineup_of(values)
    except ValueError as fault:
        raise ValueError(in_labels(str(fault))) from None


_LABELS = {
    "test_examples": "unseen sums",
    "hidden": "Width of each",
    "context": "Generator sees",
} | {name: row.label for name, row in {**Settings.rows(), **Lineup.rows()}.items() if row.label}
# A name with an underscore is never a word; a plain one is a name where it stands first.
_NAMED = re.compile(
    rf"^({'|'.join(_LABELS)})(?= is )|\b({'|'.join(n for n in _LABELS if '_' in n)})\b"
)


def in_labels(message: str) -> str:
    """A message with what the controls are called in the place of settings' names.

    >>> in_labels("batch_size is 5000; it accepts 1 to 2000, the number of examples")
    'Batch size is 5000; it accepts 1 to 2000, the number of examples'
    """
    return _NAMED.sub(lambda found: _LABELS[found[0]], message)


def _lineup_of(values: Mapping[str, Any]) -> Lineup:
    out = _idle(values)
    found = {name: _setting(name, values) for name in CONTROLS if name not in out}
    every = values[LAYERS]
    if every > 1:
        found["cuts"] = tuple(range(every, len(found["hidden"]) + 1, every))
    ordering = values["ordering"]
    if values["generator"] == "none" and ordering in DECOUPLED:
        if ordering != "sequential":
            accepts = f"the ordering {ordering!r} accepts 'linear' and 'hidden layer'"
            raise ValueError(f"the generator is 'none'; {accepts}")
        found["ordering"] = "last layer only"  # nobody tells the modules below what to do
    if found.get("generator_rate") == found["rate"]:
        del found["generator_rate"]
    if "bits" in found:
        # Few bits leave fewer sums for testing; where there are none at all, Settings says so.
        room = 4 ** (found["bits"] - 1) - found["examples"]
        found["test_examples"] = max(1, min(500, room))
    return Lineup().but(dtype="float32", **found)


def _idle(values: Mapping[str, Any]) -> frozenset[str]:
    """The settings that change nothing as the others stand, neither alone nor in what is beside."""
    deciding = {other for row in Settings.rows().values() for other in row.when} & set(CONTROLS)
    try:
        base = Settings(**{name: _setting(name, values) for name in deciding})
        return _idle_in(Lineup(base, 1, _setting("beside", values)))
    except ValueError:  # they can't go together: the run says so
        return frozenset()


@cache
def _idle_in(lineup: Lineup) -> frozenset[str]:
    trained = [entry.settings for entry in lineup.entries()]
    return frozenset(
        name for name in Settings.rows() if not any(one.applies(name) for one in trained)
    )


def idle(values: Mapping[str, Any]) -> set[str]:
    """The controls that change nothing as the others stand: they are greyed out."""
    out = {one for name in _idle(values) & set(CONTROLS) for one in CONTROLS[name].specs}
    if values["generator"] != "hidden layer":
        out.add("generator_width")
    if values["below"] != "network":
        out.add("moment")
    return out | _adding_nothing(values)


def _adding_nothing(values: Mapping[str, Any]) -> set[str]:
    """What is not ticked and would add no line: it is the setting itself, or there already."""
    chosen = _setting("beside", values)
    try:
        settings = _lineup_of({**values, **{f"beside {name}": True for name in BESIDE}}).settings
        there = {settings, *(BESIDE[name](settings) for name in chosen)}
        return {
            f"beside {n}" for n, of in BESIDE.items() if n not in chosen and of(settings) in there
        }
    except ValueError:  # they can't go together: the run says so
        return set()


def unreachable(lineup: Lineup) -> str:
    """Why the controls cannot stand for ``lineup``, or ""."""
    try:
        values = values_of(lineup)
        for name, spec in specs(Lineup(), True).items():
            spec.check(name, values[name])
        there = lineup_of(values).settings
    except ValueError as error:
        return str(error)
    free = {*CONTROLS, "cuts", "seed", "dtype", "test_examples"}
    for name, value in vars(lineup.settings).items():
        if name not in free and getattr(there, name) != value:
            accepts = f"the playground has no control for it and accepts {getattr(there, name)!r}"
            return f"{name} is {shown(value)}; {accepts}"
    return ""


def check_reachable(lineup: Lineup, *, own: bool) -> None:
    """ValueError, in words, if the controls can't stand for ``lineup``.

    ``own``: whether the reader has handed over arrays.
    """
    why = unreachable(lineup)
    if not why and lineup.settings.task == OWN and not own:
        why = "task: it needs arrays of your own, playground(data=(X, Y))"
    if why:
        raise ValueError(why)


def not_taken(text: str, lineup: Lineup) -> str:
    """What a settings string asked for that ``lineup``, made of it, does not have; or ""."""
    given, entries = read_text(text), lineup.entries()
    asked, got = ({**vars(one.settings), **vars(one)} for one in (Lineup().but(**given), lineup))
    if asked["generator_rate"] == asked["rate"]:
        asked["generator_rate"] = None
    left = [
        f"{name} is {shown(asked[name])}, and here {got[name]!r}"
        for name in given
        if name != "seed"
        and asked[name] != got[name]
        and (name in vars(lineup) or any(one.settings.applies(name) for one in entries))
    ]
    if "seed" in given and asked["seed"] != got["seed"]:
        last = lineup.seeds - 1
        left.append(f"seed is {asked['seed']}, and here seeds 0 to {last} are run")
    return f"Taken, but not all of it: {'; '.join(left)}" if left else ""
