"""How the playground is drawn: curves; beside them the network; below, one of three pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dnilab.experiments.settings import OWN
from dnilab.lessons.playground.experiments.comparison import distinct
from dnilab.lessons.playground.experiments.growing_lines import Line, Progress
from dnilab.lessons.playground.experiments.saved_runs import Pin
from dnilab.lessons.playground.pictures import network
from dnilab.lessons.shared.moments import ordering
from dnilab.orderings import instants
from dnilab.pictures import LiveCurves, Picture, Series, bars_of_spans, timeline
from dnilab.training import Span

MOST_PINNED = 4  # curves; the table has them all
LOOKS = 7
SIZE = (560, 390)  # of the curves, in pixels: on a telephone the text can still be read
_RIGHT = {"addition": "unseen bits right", "digits": "unseen images right"}


class Convergence:
    """The curves of a line-up and of the pins that can be compared with it."""

    def __init__(self) -> None:
        self.pins: tuple[Pin, ...] = ()
        self._how: Mapping[str, Any] = {"show": "right", "over": "epochs"}
        self._key: tuple[Any, ...] = ()
        self._curves: LiveCurves | None = None

    def choose(self, values: Mapping[str, Any]) -> None:
        """How to show it: ``show`` and ``over``."""
        self._how = values

    @property
    def shown(self) -> Picture | None:
        """The curves drawn last."""
        return self._curves.shown if self._curves else None

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
        shown = [(line.label, line, line.look) for line in progress.lines]
        for pin in self.shown_pins(progress):
            taken = {look % LOOKS for _, _, look in shown}
            look = next((n for n in (5, 6, 3, 4, 1, 2, 0) if n not in taken), pin.line.look)
            shown.append((f"{pin.name} (pinned)", pin.line, look))
        labels = distinct([label for label, _, _ in shown])
        what, along = self._how["show"], "epoch" if self._how["over"] == "epochs" else "seconds"
        return [
            Series(label, getattr(line, along), line.values[what], look=look)
            for label, (_, line, look) in zip(labels, shown, strict=True)
        ]

    def shown_pins(self, progress: Progress) -> tuple[Pin, ...]:
        """The latest pins of the same task."""
        task = progress.lineup.settings.task
        return tuple(pin for pin in self.pins if pin.line.settings.task == task)[-MOST_PINNED:]

    def _view(self, progress: Progress) -> LiveCurves:
        settings, over, show = progress.lineup.settings, self._how["over"], self._how["show"]
        last = None
        if over == "epochs":
            last = max([settings.epochs, *(pin.epochs for pin in self.shown_pins(progress))])
        key = (settings.task, over, show, last)
        if self._curves is None or key != self._key:
            self._key, right = key, show == "right"
            unseen = _RIGHT.get(settings.task, "unseen answers right")
            self._curves = LiveCurves(
                xlabel="epoch" if over == "epochs" else "seconds of training",
                ylabel={"right": unseen, "loss": "training loss", "test loss": "test loss"}[show],
                percent=right,
                better="higher" if right else "lower",
                x_max=last,
                ylim=(0.4 if settings.task == "addition" else 0.0, 1.0) if right else None,
                size=SIZE,
            )
        return self._curves


class Beside:
    """The network of the main line, as its modules were told at the last report."""

    def __init__(self) -> None:
        self._shown: tuple[Any, ...] = ()
        self._drawn = (b"", "")

    def draw(self, progress: Progress) -> tuple[bytes | None, str]:
        """PNG bytes and the sentence; None before there is anything to see."""
        line = progress.lines[progress.main]
        if line.told is None or not line.epoch.size:
            return None, "The network comes with the first report."
        epoch = line.records[0].curves["epoch"][-1] or 0.0
        shown = (line.told, line.label, line.settings, epoch)
        if shown != self._shown:
            picture = network(line.settings, line.told, label=line.label, epoch=epoch)
            self._shown, self._drawn = shown, (picture.png(), picture.sentence)
        return self._drawn


class Detail:
    """The picture below the curves, of the main line."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] = ()
        self._curves: LiveCurves | None = None

    def draw(self, progress: Progress, values: Mapping[str, Any]) -> tuple[bytes | None, str]:
        """PNG bytes and the sentence; b"" where there is nothing to draw, with the reason.

        None before there is anything to see.
        """
        line = progress.lines[progress.main]
        match values["below"]:
            case "cosine":
                return self._cosine(line)
            case "timeline" if not line.spans:
                return None, "The timeline comes with the first batches."
            case "timeline":
                title = f"{line.label}: the last batches of one seed, as they ran"
                picture: Picture = timeline(bars_of_spans(latest(line.spans, 4)), title=title)
            case "network":
                picture = _network(line, values["moment"])
            case _:
                return b"", ""
        return picture.png(), picture.sentence

    def _cosine(self, line: Line) -> tuple[bytes | None, str]:
        if not line.settings.decoupled:
            return b"", f"{line.label} has no synthetic gradients to compare with the true ones."
        if line.cosine is None or not line.epoch.size:
            return None, "The cosines come with the first report."
        key = (line.label, line.settings.epochs)
        if self._curves is None or key != self._key:
            self._key = key
            self._curves = LiveCurves(
                xlabel="epoch",
                ylabel="cosine",
                title=f"{line.label}: synthetic against true gradient",
                better="higher",
                x_max=line.settings.epochs,
                ylim=(-0.2, 1.0),
                size=(560, 280),
            )
        series = [
            Series(f"module {k + 1}", line.epoch, line.cosine[:, :, k], look=k)
            for k in range(min(line.cosine.shape[2], LOOKS))
        ]
        return self._curves.update(series), self._curves.sentence(series)


def _network(line: Line, moment: int) -> Picture:
    settings = line.settings
    if settings.task == OWN:
        settings = settings.but(task="digits")  # of which the program does not need the rows
    program = settings.program()
    title = f"{line.label}, {settings.modules} modules"
    return ordering(program, instants(program, 12)[moment - 1], title=title)


def latest(spans: Sequence[Span], batches: int) -> list[Span]:
    """The spans of the last ``batches`` batches that all workers had a part in.

    Steps of older batches that ran in the same time, as in a pipeline, are there, too.
    """
    last = min(max(s.batch for s in spans if s.worker == w) for w in {s.worker for s in spans})
    starts = [s.start for s in spans if last - batches < s.batch <= last]
    ends = [s.end for s in spans if last - batches < s.batch <= last]
    return [s for s in spans if min(starts) <= s.start and s.end <= max(ends)]
