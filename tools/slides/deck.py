"""From a notebook to the cells of a deck: which parts of it become slides.

A deck is short: the title and its aims; each section with its first sentences; each formula on a
line of its own, with the sentences that lead to it; each prediction with those before it, and its
answer where the notebook has it; each picture with its sentence; the exercises; what to remember.
The metadata that nbconvert needs is made here, so that no notebook carries it.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nbformat import NotebookNode, v4

ACROSS, DOWN = "slide", "subslide"
FOLDED = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
# A question, up to its answer, the next question or the end; or an answer, if it is no solution.
PREDICTION = re.compile(
    r"(?P<asked>\*\*Predict first\b.*?)(?=<details>|\*\*Predict first\b|\Z)"
    r"|<details>\s*<summary>(?!Solution)[^<]*</summary>(?P<answer>.*?)</details>",
    re.DOTALL,
)
ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~$-])")
FORMULA = re.compile(r"^\$\$.*?\$\$[ \t]*[.,;]?[ \t]*$", re.DOTALL | re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]*\)")
SILENT = ("References",)
END = re.compile(r"(?<=[.?!:])(?<!\b[A-Z]\.)\s+(?=[A-Z*`$\"(])")  # of a sentence, not of an initial
ROOM = 280  # characters of a section's first sentences, about
LONG, LONGER = 520, 900  # from so many characters on the letters are smaller
WORDY = 360  # a sentence so long stands beside its picture, not below,
WIDE = 200  # characters of a formula that is too wide for one line
TALL = 0.75  # and so does that of a picture so high, as a share of its width


@dataclass
class Deck:
    """The slides of a notebook, as nbconvert takes them, and the pictures by the name of a file."""

    number: str
    title: str
    notebook: NotebookNode = field(default_factory=v4.new_notebook)
    pictures: dict[str, bytes] = field(default_factory=dict)

    def add(self, text: str, way: str = ACROSS) -> None:
        cell = v4.new_markdown_cell(text)
        cell.metadata["slideshow"] = {"slide_type": way}
        self.notebook.cells.append(cell)


def plain(text: str) -> str:
    """A text without what a slide can't use: links to other notebooks, blank ends."""
    return LINK.sub(r"\1", text).strip()


def slide(heading: str, text: str) -> str:
    """A heading and a text, in smaller letters where it is long; both stay Markdown."""
    length = len(re.sub(r"\\[a-zA-Z]+|[{}$]", "", text))
    kind = "longer" if length > LONGER else "long" if length > LONG else "text"
    return f'{heading}\n\n<div class="{kind}">\n\n{text}\n\n</div>'


def sentences(text: str, room: int = ROOM, last: bool = False) -> str:
    """The first whole sentences of a paragraph that fit, or the last ones; at least one."""
    parts = END.split(text)
    if last:
        parts.reverse()
    taken = parts[:1]
    for part in parts[1:]:
        if len(" ".join([*taken, part])) > room:
            break
        taken.append(part)
    return " ".join(taken[::-1] if last else taken)


def is_prose(part: str) -> bool:
    return bool(part) and not part.startswith(("|", "<", "```", "$$", "**Previous", "**Next", "!"))


def sections(text: str) -> Iterator[tuple[str, str]]:
    """The heading and the body of each section of a cell; "" is the section of the cell before."""
    parts = re.split(r"^## +(.*)$", text, flags=re.MULTILINE)
    if parts[0].strip():
        yield "", parts[0]
    yield from zip(parts[1::2], parts[2::2], strict=True)


def deck_of(notebook: NotebookNode, number: str) -> Deck:
    """The deck of a notebook of the course."""
    first, *others = notebook.cells
    title, _, aims = first.source.partition("\n")
    deck = Deck(number, title.removeprefix("#").strip())
    deck.add(slide(f"# {deck.title}", plain(aims)))
    heading = ""
    for cell in others:
        if cell.cell_type == "markdown":
            for name, body in sections(FENCE.sub("", cell.source)):
                heading = name or heading
                if not heading.startswith(SILENT):
                    _text(deck, heading, body, begins=bool(name))
        else:
            _pictures(deck, cell.outputs, heading)
    return deck


def _text(deck: Deck, heading: str, body: str, begins: bool) -> None:
    """The slides of a section, or of what goes on after a picture, in the order of the notebook."""
    rest = FOLDED.sub(_blank, PREDICTION.sub(_blank, body))  # as long as the body
    prose = [plain(part) for part in rest.split("\n\n") if is_prose(part.strip())]
    opening = prose[0] if prose else ""
    found: list[tuple[int, str]] = []
    if heading == "What to remember":
        found.append((0, plain(rest)))
    else:
        for formula in FORMULA.finditer(rest):
            found.append((formula.start(), _led(rest[: formula.start()], formula[0].strip())))
        for one in PREDICTION.finditer(body):
            said = _asked(rest[: one.start()], one["asked"], opening) if one["asked"] else ""
            found.append((one.start(), said or _answered(one["answer"].strip())))
    if begins and heading != "What to remember" and not (found and opening in min(found)[1]):
        listed = [part for part in prose[1:2] if part.startswith(("- ", "1. "))]
        first = opening if opening.startswith("- ") else sentences(opening)
        found.append((-1, "\n\n".join([first, *listed])))
    for number, (_, said) in enumerate(sorted(found)):
        deck.add(slide(f"## {heading}", said), ACROSS if begins and number == 0 else DOWN)


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def _asked(before: str, question: str, opening: str) -> str:
    """A question after the end of the paragraph before it, if no slide has shown that yet."""
    lead = plain(before.removesuffix("\n\n").rpartition("\n\n")[2])
    if lead[:1].islower():  # it goes on after a formula
        lead = "".join(END.split(lead, maxsplit=1)[1:])
    if not is_prose(lead) or (lead == opening and sentences(opening) == opening):
        return plain(question)
    return f"{sentences(lead, last=True)}\n\n{plain(question)}"


def _answered(answer: str) -> str:
    """An answer; one that is a list begins on a line of its own."""
    space = "\n\n" if answer.startswith(("- ", "1. ")) else " "
    return plain(f"**Check your prediction.**{space}{answer}")


def _led(before: str, formula: str) -> str:
    """A formula after the sentences that lead to it: the end of the paragraph before."""
    parts = [plain(part) for part in FORMULA.split(before)[-1].split("\n\n")]
    prose = [part for part in parts if is_prose(part)]
    led = [sentences(prose[-1], last=True)] if prose else []
    return "\n\n".join([*led, *_lines(formula)])


def _lines(formula: str) -> list[str]:
    """A formula, and a wide one in several lines: it parts where the notebook leaves a gap."""
    inner = formula.strip(" .,;").removeprefix("$$").removesuffix("$$")
    parts = inner.split(r"\qquad")
    whole = all(part.count("{") == part.count("}") and r"\begin" not in part for part in parts)
    if len(inner) < WIDE or not whole:
        return [formula]
    return [f"$$\n{part.strip()}\n$$" for part in parts if part.strip()]


def _pictures(deck: Deck, outputs: list[NotebookNode], heading: str) -> None:
    """A slide for each picture, with its sentence: the text that follows it."""
    for at, output in enumerate(outputs):
        image = output.get("data", {}).get("image/png")
        if not image:
            continue
        after = outputs[at + 1].get("data", {}) if at + 1 < len(outputs) else {}
        sentence = ESCAPED.sub(r"\1", "".join(after.get("text/markdown", "")))
        about = output.get("metadata", {}).get("image/png", {})
        name = f"{deck.number}-{len(deck.pictures) + 1}.png"
        deck.pictures[name] = base64.b64decode(image)
        beside = about.get("height", 0) > TALL * about.get("width", 1) or len(sentence) > WORDY
        kind = ' class="beside"' if beside else ""
        alt = html.escape(about.get("alt", ""), quote=True)
        size = "longer" if len(sentence) > LONGER else "text"
        deck.add(
            f'## {heading}\n\n<figure{kind}><img src="pictures/{name}" alt="{alt}">'
            f'<figcaption class="{size}">{html.escape(sentence)}</figcaption></figure>',
            DOWN,
        )
