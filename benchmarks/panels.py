"""The playground under load: how soon it answers, what drawing costs, what it leaves behind.

    python -m benchmarks.panels [--json] [--only PART ...]

Parts:
answer      from a changed control to the first new picture with points in it, while a run goes on
frame       CPU time of one frame of the curves, 700x400 pixels
live        share of the time spent on drawing, and training throughput beside a run without panel
default     the default comparison, three settings with five seeds each, from play to finished
random      random control events: exceptions, threads, memory
cancel      play, then cancel: how long until nothing of the run is at work

Run it on a quiet machine.  Times are in milliseconds where a name ends in _ms, else in seconds.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import finish_parts, options
from dnilab.experiments import Settings
from dnilab.lessons.playground.experiments.comparison import FIRST, PRESETS, Lineup
from dnilab.lessons.playground.experiments.growing_lines import live
from dnilab.lessons.playground.panel.panel import Playground, playground
from dnilab.lessons.playground.panel.view import Convergence
from dnilab.widgets.controls import Choice, Slider, Toggle

HANG = 120.0
LONG = Lineup(PRESETS[FIRST].settings.but(epochs=200), 5, PRESETS[FIRST].beside)
TINY = Lineup(
    Settings(
        bits=8, examples=300, test_examples=500, hidden=(8, 6), epochs=2, batch_size=30,
        dtype="float32",
    ),
    1,
)  # fmt: skip


def opened(lineup: Lineup | str, *, play: bool = True) -> Playground:
    """A panel with its widgets made, as a displayed one has them."""
    panel = playground(lineup, play=play, name="benchmark")
    _ = panel.widget
    return panel


def wait_until(true: Any) -> float:
    """Seconds until ``true()``, looked at every millisecond."""
    began = time.perf_counter()
    while not true():
        if time.perf_counter() - began > HANG:
            raise TimeoutError("the panel does not answer")
        time.sleep(0.001)
    return time.perf_counter() - began


def answer(changes: int) -> dict[str, Any]:
    """Change the rate while a run goes on; wait for a picture of the new run."""
    panel = opened(LONG)
    panel.start()
    wait_until(lambda: panel.snapshot is not None)
    times = []
    for n in range(changes):
        time.sleep(0.3)  # the run is on its way
        rate = 1e-3 * (1 + n % 7)
        began = time.perf_counter()
        panel.controls["rate"].value = rate

        def there(rate: float = rate) -> bool:
            shown = panel.snapshot
            return (
                shown is not None
                and shown.lineup.settings.rate == rate
                and shown.lines[0].epoch.size > 0
            )

        wait_until(there)
        times.append(1e3 * (time.perf_counter() - began))
    panel.close()
    return {
        "changes": changes,
        "median_ms": statistics.median(times),
        "worst_ms": max(times),
    }


def frame(count: int) -> dict[str, Any]:
    """CPU time of drawing a finished default comparison again and again."""
    view = Convergence()
    for snapshot in live(PRESETS[FIRST]):  # noqa: B007
        pass
    view.update(snapshot)
    times = []
    for _ in range(count):
        began = time.thread_time()
        view.update(snapshot)
        times.append(1e3 * (time.thread_time() - began))
    return {"frames": count, "median_cpu_ms": statistics.median(times), "worst_cpu_ms": max(times)}


def live_run(rounds: int) -> dict[str, Any]:
    """The default comparison in a panel and without one, by turns."""
    alone, shown, drawing = [], [], []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in live(PRESETS[FIRST]):
            pass
        alone.append(time.perf_counter() - began)

        panel = opened(FIRST, play=False)
        panel.start()
        panel.wait(HANG)
        spent = [0.0]
        draw = panel._draw

        def timed(*args: Any, spent: list[float] = spent, draw: Any = draw, **more: Any) -> None:
            start = time.perf_counter()
            try:
                draw(*args, **more)
            finally:
                spent[0] += time.perf_counter() - start

        panel._draw = timed  # type: ignore[method-assign]
        began = time.perf_counter()
        panel._playing = True
        panel.controls["rate"].value = 0.004
        panel.wait(HANG)
        shown.append(time.perf_counter() - began)
        drawing.append(spent[0] / shown[-1])
        panel.close()
    return {
        "rounds": rounds,
        "share_of_drawing": statistics.median(drawing),
        "throughput_ratio": statistics.median(alone) / statistics.median(shown),
    }


def default(rounds: int) -> dict[str, Any]:
    """From play to finished."""
    times = []
    for _ in range(rounds):
        panel = opened(FIRST)
        began = time.perf_counter()
        panel.play()
        panel.wait(HANG)
        times.append(time.perf_counter() - began)
        snapshot = panel.snapshot
        assert snapshot is not None
        assert snapshot.done == 1.0
        runs = sum(line.seeds for line in snapshot.lines)
        panel.close()
    return {"runs": runs, "median": statistics.median(times), "worst": max(times)}


def resident() -> float:
    """Megabytes of memory that this process holds; NaN where the system does not say."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return float("nan")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


SLOW = ("task", "examples", "epochs", "seeds", "generator_width")  # left alone: they cost time only


def random_events(count: int) -> dict[str, Any]:
    """Whatever a reader may do, at random."""
    draw = random.Random(1)
    gc.collect()
    threads, exceptions = threading.active_count(), 0
    panel = opened(TINY)
    panel.start()
    memory: list[float] = []
    most = 0
    names = [name for name in panel.controls if name not in SLOW]
    for n in range(count):
        try:
            what = draw.random()
            if what < 0.8:
                control = panel.controls[draw.choice(names)]
                spec = control.spec
                if isinstance(spec, Toggle):
                    control.value = draw.random() < 0.5
                elif isinstance(spec, Choice):
                    control.value = draw.choice(spec.pairs)[1]
                elif isinstance(spec, Slider):
                    top = min(spec.max, 4) if control.name == "depth" else spec.max
                    control.value = spec.tidy(draw.uniform(spec.min, top))
                else:
                    control.value = draw.choice(["8, 6", "5", "what?", "7 7 7"])
            elif what < 0.95:
                draw.choice([panel._play_button, panel._step_button, panel._reset_button]).click()
            elif what < 0.97:
                panel.pin_all()
            elif panel.pins:
                panel._remove_button.click()
            if len(panel.pins) > 6:
                panel._set_pins(panel.pins[-3:])
        except Exception as error:
            exceptions += 1
            print(f"event {n}: {error!r}", flush=True)
        if draw.random() < 0.3:
            time.sleep(0.02 * draw.random())  # so that runs begin, are drawn, and sometimes end
        most = max(most, threading.active_count())
        if n % max(1, count // 10) == count // 10 - 1:
            memory.append(resident())
    panel.pause()
    panel.wait(HANG)
    panel.close()
    gc.collect()
    return {
        "events": count,
        "exceptions": exceptions,
        "threads_at_the_start": threads,
        "threads_at_most": most,
        "threads_at_the_end": threading.active_count(),
        "megabytes_after_each_tenth": [round(m, 1) for m in memory],
        "megabytes_second_half": round(memory[-1] - memory[len(memory) // 2], 1),
    }


def cancel(rounds: int) -> dict[str, Any]:
    """Play a long comparison, drop it, and wait until its worker has nothing left to do."""
    times = []
    for ordering in ("sequential", "pipeline"):
        panel = opened(Lineup(LONG.settings.but(ordering=ordering), 5, ("backprop",)), play=False)
        panel.start()
        panel.wait(HANG)
        for n in range(rounds // 2):
            panel.play()
            time.sleep(0.02 + 0.005 * (n % 20))
            began = time.perf_counter()
            with panel._lock:
                panel._playing = False
                panel._drop_job()
                panel._wake()
            panel.wait(HANG)
            times.append(1e3 * (time.perf_counter() - began))
        panel.close()
    return {"rounds": len(times), "median_ms": statistics.median(times), "worst_ms": max(times)}


def main() -> None:
    parser = options(__doc__)
    parts = ("answer", "frame", "live", "default", "random", "cancel")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("--cancels", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    measure = {
        "answer": lambda: answer(arguments.changes),
        "frame": lambda: frame(200),
        "live": lambda: live_run(arguments.rounds),
        "default": lambda: default(arguments.rounds),
        "random": lambda: random_events(arguments.events),
        "cancel": lambda: cancel(arguments.cancels),
    }
    result = {part: measure[part]() for part in parts if part in arguments.only}
    finish_parts(arguments, result)


if __name__ == "__main__":
    main()
