"""The first minute: what is learned here, what the words mean, and a tour that one can leave."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets

from dnilab.data import Dataset
from dnilab.experiments.settings import OWN
from dnilab.lessons.playground.experiments.comparison import LOOK_AT, Lineup
from dnilab.lessons.playground.panel import parts
from dnilab.widgets.controls import Control
from dnilab.widgets.panel import button, button_row

COURSE = "https://github.com/dnilab/dnilab/blob/HEAD/notebooks"
NOTEBOOKS = {
    0: ("00_start_here", "Start here"),
    3: ("03_synthetic_gradients", "Synthetic gradients"),
    4: ("04_generator_context", "What the generator sees"),
    5: ("05_update_orderings", "Update orderings"),
}

IDEA = (
    "Usually a layer waits until its <em>gradient</em> comes down from the output "
    "(<em>backprop</em>). In <em>DNI</em>, a small <em>generator</em> beside each layer guesses "
    "it, and nobody waits. Move anything: the network is trained again at once."
)

WORDS: Mapping[str, str] = {
    "activation h": "what a module hands up to the next: a number for each of its units.",
    "label y": "the right answer for a row of the data. Input x is what the network is shown.",
    "module": "a layer, or several, that learns by itself. Here usually one layer.",
    "gradient": "which way, and how much, each number of h should change to make the loss smaller. "
    "True, if it was worked out from the output down.",
    "generator": "a small model beside a module that guesses the gradient from what it sees.",
    "DNI(h), DNI(h, y)": "decoupled neural interfaces, with generators that see h alone, or h and "
    "the label. The guess is called a synthetic gradient.",
    "what a module is told": "the message from the module above. It is the true gradient just "
    "below the top, and further down it is made from a guess. The generator learns from it.",
    "cosine": "how well two gradients agree in direction: 1 fully, 0 not at all, −1 opposite.",
    "backprop": "backpropagation: every module waits for the true gradient.",
    "last layer only": "all modules below the top keep their random weights: the floor.",
    "Red Box": "DNI in line, on one thread: each module learns as soon as its guess is there.",
    "Blue Box": "DNI as it was first published: a new thread for each fit of a generator.",
    "pipeline": "DNI with several workers at the same time, each with its own modules.",
    "local loss": "each module has a small readout and a loss of its own, and no guess is needed.",
    "direct feedback": "the error at the output goes to each module through a random matrix.",
    "seed": "the number that draws rows, first weights and order. A band spans all seeds.",
}


def task_words(lineup: Lineup, own: Dataset | None) -> str:
    """What is learned, in a sentence or two."""
    settings = lineup.settings
    match settings.task:
        case "addition":
            n = settings.bits
            return (
                f"add two binary numbers. {2 * n} bits go in, the {n} bits of the sum come out. "
                "A coin gets half of them right."
            )
        case "digits" | "mnist":
            pixels, found = (64, "8 × 8") if settings.task == "digits" else (784, "28 × 28")
            return (
                f"recognise handwritten digits. {pixels} pixels ({found}) go in, one of ten "
                "classes comes out. By guessing, one in ten is right."
            )
        case _:
            shape = ""
            if settings.task == OWN and own is not None:
                shape = f" {own.inputs} numbers go in, {own.outputs} come out."
            return f"learn your own arrays.{shape}"


def link(number: int) -> str:
    """A link to a notebook of the course."""
    file, title = NOTEBOOKS[number]
    return (
        f'<a class="dnilab-link" href="{COURSE}/{file}.ipynb" target="_blank" rel="noopener">'
        f"{number:02d} {title}</a>"
    )


def intro_html(lineup: Lineup | None, preset: str, own: Dataset | None) -> str:
    """Task, idea, and what to look at.  Without a line-up, only the idea."""
    said = []
    if lineup is not None:
        said.append(f"<strong>Task:</strong> {html.escape(task_words(lineup, own))}")
    said.append(IDEA)
    if preset in LOOK_AT:
        look, number = LOOK_AT[preset]
        said.append(f"<strong>Look:</strong> {html.escape(look)} {link(number)} explains it.")
    else:
        said.append(f"The course explains it, from {link(0)} on.")
    return "".join(f"<p>{one}</p>" for one in said)


def words_html() -> str:
    """The words, as a list of definitions."""
    each = (f"<dt>{word}</dt><dd>{html.escape(means)}</dd>" for word, means in WORDS.items())
    return f'<dl class="dnilab-words-list">{"".join(each)}</dl>'


TOUR: tuple[tuple[str, str], ...] = (
    ("network", "This is the network. Data goes up, from the input to the loss. Beside each module "
     "stands what tells it how to change. A wide, blue arrow agrees with the true gradient, a thin "
     "grey one does not; the number is the cosine, 1 at best."),
    ("curves", "This is how well it learns, on rows that it has not seen. Each line is one way to "
     "train the same network from the same start. A band spans the seeds; the sentence below says "
     "who is ahead."),
    ("live", "Move the learning rate or the number of layers. Everything is trained again at once, "
     "all lines alike, so that the comparison stays fair. You can't break anything."),
    ("generator", "Take away the tick at “sees label y”. Now the generators guess from the "
     "activation alone. Watch the arrows become thin, and the line."),
    ("beside", "Tick what you want to compare it with: waiting for the truth, say, or asking "
     "nobody above."),
    ("presets", "Each question here is an experiment that is set up for you. Predict first, then "
     "choose it. Everything else is folded away below. That is all: have fun."),
)  # fmt: skip
"""The stops of the tour: the part that it points at, and what it says there."""


class Tour:
    """A few stops, one after another, that point at parts of the panel; it can be left at any.

    ``point``: called with the name of the part to point at, or "" for none.
    """

    def __init__(self, point: Callable[[str], None]) -> None:
        self._point = point
        self.stop = -1
        """The number of the stop, from 0; -1: nobody is on the tour."""
        self.begin = button("Tour", "map-signs", lambda: self.go(0))
        self.begin.tooltip = "Show me around: six short stops, to be left at any"
        self._back = button("Back", "arrow-left", lambda: self.go(self.stop - 1))
        self._next = button("Next", "arrow-right", lambda: self.go(self.stop + 1))
        self._leave = button("Leave the tour", "times", lambda: self.go(-1))
        self._text = widgets.HTML()
        buttons = button_row(self._back, self._next, self._leave)
        self.widget = widgets.VBox([self._text, buttons]).add_class("dnilab-tour")
        self.go(-1)

    def go(self, stop: int) -> None:
        """Go to a stop; past the last one, or before the first, the tour is over."""
        self.stop = stop if 0 <= stop < len(TOUR) else -1
        self.widget.layout.display = "none" if self.stop < 0 else ""
        if self.stop < 0:
            self._point("")
            self._text.value = ""
            return
        part, said = TOUR[self.stop]
        count = f"Stop {self.stop + 1} of {len(TOUR)}"
        see = parts.see_html("See it", ".dnilab-pointed")  # where the window is small
        self._text.value = (
            f'<p role="status"><strong>{count}.</strong> {html.escape(said)}</p><p>{see}</p>'
        )
        self._back.disabled = self.stop == 0
        self._next.description = "Next" if self.stop + 1 < len(TOUR) else "Done"
        self._point(part)


TIPS: Mapping[str, str] = {
    "rate": "how far the weights move at each step",
    "depth": "layers between input and output",
    "generator": "what guesses the gradient: nothing, a matrix, or a network with a hidden layer",
    "sees h": "what the module hands up",
    "sees y": "the right answer",
    "sees x": "the input of the network",
    "sees h_norm": "h, shifted and scaled over the batch",
    "ordering": "when each module learns, and from what",
    "workers": "threads that share the modules",
    "staleness": "how many batches late the generators learn",
    "p": "the share of the batches in which a module learns",
    "seeds": "how often each line is trained, with other rows and first weights",
    "batch_norm": "shifts and scales what each layer computes, over the batch",
    "optimiser": "how a gradient becomes a step",
    **{f"beside {name}": WORDS[name] for name in WORDS},
    "beside DNI(h)": "generators that see the activation h alone",
    "beside DNI(h, y)": "generators that see the activation h and the label y",
    "beside batch norm the other way": "with batch normalisation if it has none, and without",
}
"""By control: what is meant, for whoever rests on it."""


def point_at(places: Mapping[str, Any], part: str) -> None:
    """Mark one of the places, and no other."""
    for name, place in places.items():
        (place.add_class if name == part else place.remove_class)("dnilab-pointed")


def words_part() -> tuple[Any, Any]:
    """A heading that unfolds what the words mean, and what is under it."""
    under = widgets.HTML(words_html())
    return parts.heading("What the words mean", under, opened=False), under


def give_tips(controls: Mapping[str, Control]) -> None:
    """Let the controls say what they are for."""
    for name, tip in TIPS.items():
        if name in controls:
            for part in controls[name].parts:
                part.tooltip = f"{part.tooltip}: {tip}"
