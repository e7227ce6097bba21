"""A panel whose run can be stopped and taken up again, step by step."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from dnilab.widgets.panel import Panel, _Job, button, button_row

S = TypeVar("S")


class Player(Panel[S]):
    """A panel with the buttons play/pause, step and reset.

    Parameters
    ----------
    play:
        Whether the run goes on by itself when the panel is first shown. If not, its first
        snapshot is shown and the buttons take it from there.

    All others are those of a :class:`Panel`.
    """

    def __init__(self, *given: Any, play: bool = True, **named: Any) -> None:
        self._playing = play
        super().__init__(*given, **named)

    def _more_rows(self) -> list[Any]:
        self._play_button = button(
            "Play", "play", lambda: self.pause() if self.playing else self.play()
        )
        self._step_button = button("Step", "step-forward", self.step)
        self._reset_button = button("Reset", "undo", self.reset)
        return [button_row(self._play_button, self._step_button, self._reset_button)]

    def play(self) -> None:
        """Go on; from the beginning if the run is over."""
        self._go_on(playing=True)

    def step(self) -> None:
        """One step further, then pause; a step is one snapshot unless ``_step_size`` says more."""
        self._go_on(playing=False)

    def reset(self) -> None:
        """Back to the first snapshot, and pause there."""
        self._go_on(playing=False, anew=True)

    def _go_on(self, *, playing: bool, anew: bool = False) -> None:
        with self._lock:
            self._playing = playing
            if anew or self._job is None or self._job.over:
                self._restart()
            else:
                self._allow(self._job)

    def pause(self) -> None:
        """Stop after the snapshot that is being computed; :meth:`play` goes on from there.

        The first snapshot of a setting is always shown, or there would be nothing to look at.
        """
        with self._lock:
            self._playing = False
            if self._job is not None:
                self._job.until = max(1, self._job.pulled)
                self._label_play()

    def _allow(self, job: _Job) -> None:
        """Let ``job`` go on, to its end or for one step. The lock is held."""
        job.until = math.inf if self._playing else job.pulled + self._step_size(job)
        super()._allow(job)

    def _step_size(self, job: _Job) -> int:
        """How many snapshots make a step of ``job``, which may not have begun. Lock held."""
        return 1

    def _label_play(self) -> None:
        if self._job is not None:
            over = self._job.over
            words = "Pause" if self.playing and self._playing else "Play again" if over else "Play"
            self._play_button.description = words
            self._play_button.icon = "pause" if words == "Pause" else "play"
