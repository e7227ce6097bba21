"""A line-up as a program that anybody can run: the same settings, seeds, rows, and numbers."""

from __future__ import annotations

from dnilab.data import Dataset
from dnilab.experiments.settings import OWN, Settings
from dnilab.lessons.playground.experiments.comparison import BY_THE_RUN, Lineup
from dnilab.lessons.playground.experiments.growing_lines import report_every, rows_for

_PROGRAM = """\
# The comparison of the playground, on the package dnilab alone.
import numpy as np

from dnilab.experiments import Settings, run
{imports}from dnilab.pictures import Series, curves

base = {base}
ways = {{
{ways}
}}
{data}
lines = []
for name, settings in ways.items():
    runs = [run(settings.but(seed=seed), report_every={every}{rows}) for seed in range({seeds})]
    epoch = max((one.curve("epoch") for one in runs), key=len)
    right = np.full((len(runs), len(epoch)), np.nan)  # it stays NaN where a run has diverged
    for row, one in zip(right, runs, strict=True):
        row[: len(one.reports)] = {right}
    lines.append(Series(name, epoch, right))
    print(f"{{name}}: {{100 * right[:, -1].mean():.1f}} % right")

curves(lines, xlabel="epoch", ylabel="share right", percent=True, better="higher")
"""


def as_python(lineup: Lineup, own: Dataset | None = None) -> str:
    """The program.  ``own``: the reader's arrays, which it expects as ``X`` and ``Y``."""
    base, entries = lineup.settings, lineup.entries()
    data = rows_for(base.but(seed=0), own)
    ours = base.task == OWN
    bits = data.kind == "bits"
    return _PROGRAM.format(
        imports="from dnilab.lessons.playground.data import own_arrays\n" if ours else "",
        base=_call("Settings", Settings(), base),
        ways="\n".join(
            f"    {entry.label!r}: {_call('base.but', base, entry.settings) or 'base'},"
            for entry in entries
        ),
        data="data = own_arrays(X, Y)  # your arrays, X (rows, columns) and Y (rows,)\n" * ours,
        every=report_every(base, data),
        rows=", data=data" * ours,
        seeds=lineup.seeds,
        right='one.curve("bit_accuracy")' if bits else '1 - one.curve("class_error")',
    )


def _call(what: str, before: Settings, after: Settings) -> str:
    """A call with what is not as before; "" if nothing is, unless it makes something."""
    old, new = vars(before), vars(after)
    changes = {n: x for n, x in new.items() if x != old[n] and n not in BY_THE_RUN}
    if not changes and what != "Settings":
        return ""
    return f"{what}({', '.join(f'{name}={value!r}' for name, value in changes.items())})"
