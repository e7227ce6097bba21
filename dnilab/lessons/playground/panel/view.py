"""How the playground is drawn: curves, and below them one of three pictures of the main line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnilab.lessons.playground.experiments.growing_lines import Line, Progress
from dnilab.lessons.playground.experiments.saved_runs import Pin
from dnilab.orderings import instants
from dnilab.pictures import (
    LiveCurves,
    Picture,
    Series,
    bars_of_spans,
    ordering,
    timeline,
)
from dnilab.training import Span

MOST_PINNED = 4  # curves; the table has them all
LOOKS = 7
_RIGHT = {"addition": "unseen bits right", "digits": "unseen images right"}


class Convergence:
    """The curves of a line-up and of the pins that can be compared with it."""

    def __init__(self) -> None:
        self.pins: tuple[Pin, ...] = ()
        self._how: dict[str, Any] = {"show": "right", "over": "epochs"}
        self._key: tuple[Any, ...] | None = None
        self._curves: LiveCurves | None = None

    def choose(self, values: Mapping[str, Any]) -> None:
        """How to show it: ``show`` and ``over``."""
        self._how = dict(values)

    def update(self, progress: Progress) -> bytes:
        """PNG bytes of the curves."""
        return self._view(progress).update(self.series(progress))

    def picture(self, progress: Progress) -> Picture:
        """The curves as a still picture, with their sentence."""
        picture = self._view(progress).picture(self.series(progress))
        picture.sentence = self.sentence(progress)
        return picture

    def sentence(self, progress: Progress) -> str:
        """Who leads, by how much, and who diverged."""
        series = self.series(progress)
        if not any(one.x.size for one in series):
            return "Starting."
        return " ".join([self._view(progress).sentence(series), *progress.said])

    def series(self, progress: Progress) -> list[Series]:
        """The lines of the line-up, then the pinned ones of the same task."""
        x, y = self._how["over"], self._how["show"]
        found = [self._one(line.label, line, line.look, x, y) for line in progress.lines]
        looks = {line.look % LOOKS for line in progress.lines}
        labels = {line.label for line in progress.lines}
        for pin in self.shown_pins(progress):
            label = f"{pin.name} (pinned)"
            while label in labels:
                label += " "
            labels.add(label)
            look = next((n for n in (5, 6, 3, 4, 1, 2, 0) if n not in looks), pin.line.look)
            looks.add(look)
            found.append(self._one(label, pin.line, look, x, y))
        return found

    def shown_pins(self, progress: Progress) -> tuple[Pin, ...]:
        """The latest pins of the same task."""
        task = progress.lineup.settings.task
        return tuple(pin for pin in self.pins if pin.line.settings.task == task)[-MOST_PINNED:]

    @staticmethod
    def _one(label: str, line: Line, look: int, x: str, y: str) -> Series:
        along = line.epoch if x == "epochs" else line.seconds
        what = {"right": "right", "test loss": "test loss", "loss": "loss"}[y]
        return Series(label, along, line.values[what], look=look)

    def _view(self, progress: Progress) -> LiveCurves:
        settings = progress.lineup.settings
        over, show = self._how["over"], self._how["show"]
        last = max(
            [settings.epochs, *(pin.epochs for pin in self.shown_pins(progress))],
        )
        key = (settings.task, over, show, last if over == "epochs" else None)
        if self._curves is None or key != self._key:
            self._key = key
            right = show == "right"
            low = 0.4 if settings.task == "addition" else 0.0
            self._curves = LiveCurves(
                xlabel="epoch" if over == "epochs" else "seconds of training",
                ylabel=ylabel(settings.task, show),
                percent=right,
                better="higher" if right else "lower",
                x_max=last if over == "epochs" else None,
                ylim=(low, 1.0) if right else None,
            )
        return self._curves


def ylabel(task: str, show: str) -> str:
    """What is shown, as an axis calls it."""
    if show == "right":
        return _RIGHT.get(task, "unseen answers right")
    return "training loss" if show == "loss" else "test loss"


class Detail:
    """The picture below the curves, of the main line."""

    def __init__(self) -> None:
        self._cosines: tuple[Any, LiveCurves] | None = None

    def draw(self, progress: Progress, values: Mapping[str, Any]) -> tuple[bytes, str]:
        """PNG bytes and the sentence; b"" where there is nothing to draw, with the reason."""
        found = self.picture(progress, values)
        if isinstance(found, str):
            return b"", found
        if isinstance(found, Picture):
            return found.png(), found.sentence
        curves, series = found
        return curves.update(series), curves.sentence(series)

    def picture(
        self, progress: Progress, values: Mapping[str, Any]
    ) -> Picture | tuple[LiveCurves, list[Series]] | str:
        """What is asked for, or why it can't be shown."""
        line = progress.lines[progress.main]
        match values["below"]:
            case "cosine":
                return self._cosine(line)
            case "timeline":
                return self._timeline(line)
            case "network":
                return self._network(line, values["moment"])
            case _:
                return ""

    def _cosine(self, line: Line) -> tuple[LiveCurves, list[Series]] | str:
        if not line.settings.decoupled:
            return f"{line.label} has no synthetic gradients to compare with the true ones."
        if line.cosine is None or not line.epoch.size:
            return "The cosines come with the first report."
        key = (line.label, line.settings.epochs)
        if self._cosines is None or self._cosines[0] != key:
            curves = LiveCurves(
                xlabel="epoch",
                ylabel="cosine",
                title=f"{line.label}: synthetic against true gradient",
                better="higher",
                x_max=line.settings.epochs,
                ylim=(-0.2, 1.0),
                size=(700, 300),
            )
            self._cosines = (key, curves)
        below = line.cosine.shape[2]
        series = [
            Series(f"module {k + 1}", line.epoch, line.cosine[:, :, k], look=k)
            for k in range(min(below, LOOKS))
        ]
        return self._cosines[1], series

    def _timeline(self, line: Line) -> Picture | str:
        if not line.spans:
            return "The timeline comes with the first batches."
        picture = timeline(
            bars_of_spans(latest(line.spans, 4)),
            title=f"{line.label}: the last batches of one seed, as they ran",
        )
        return picture

    def _network(self, line: Line, moment: int) -> Picture:
        settings = line.settings
        modules = settings.modules
        program = settings.program() if settings.task != "own arrays" else settings.but(
            task="digits"
        ).program()  # fmt: skip
        instant = instants(program, 12)[moment - 1]
        return ordering(program, instant, title=f"{line.label}, {modules} modules")


def latest(spans: Sequence[Span], batches: int) -> list[Span]:
    """The spans of the last ``batches`` batches that all workers had a part in.

    Steps of older batches that ran in the same time, as in a pipeline, are there, too.
    """
    last = min(max(s.batch for s in spans if s.worker == w) for w in {s.worker for s in spans})
    starts = [s.start for s in spans if last - batches < s.batch <= last]
    ends = [s.end for s in spans if last - batches < s.batch <= last]
    return [s for s in spans if min(starts) <= s.start and s.end <= max(ends)]
