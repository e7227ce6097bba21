"""Small images in rows: pixels in grey, and gradients in two colours around zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.patches import Rectangle

from dnilab.pictures.style import (
    BLUE,
    FAINT,
    FONT,
    GROUND,
    INK,
    MUTED,
    SMALL,
    VERMILLION,
    Picture,
    capital,
    headline,
    listing,
    number,
    text_width,
)
from dnilab.training.metrics import cosine

# Blue below zero, white at zero, vermillion above: told apart by every kind of colour-blindness.
# Where colour is lost altogether, blue is the darker of the two.
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#003F66", BLUE, GROUND, VERMILLION, "#7A3000"]
)


def _checked(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    arrays = {name: np.asarray(array, dtype=float) for name, array in rows.items()}
    if not arrays:
        raise ValueError("rows: got none, need at least one")
    count = len(next(iter(arrays.values())))
    for name, array in arrays.items():
        if array.ndim != 3 or len(array) != count or array.size == 0:
            raise ValueError(
                f"rows[{name!r}]: got shape {array.shape}, need (images, height, width) with "
                f"{count} images, as many as in the first row"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"rows[{name!r}]: got NaN or infinite numbers, need finite ones")
    return arrays


def images(
    rows: Mapping[str, np.ndarray],
    *,
    columns: Sequence[str] = (),
    grey: Sequence[str] = (),
    compare: tuple[str, str] | None = None,
    scale: str = "row",
    title: str | None = None,
    note: str = "",
    width: int = 700,
) -> Picture:
    """A grid of images: one row for each entry of ``rows``, one column for each image.

    Parameters
    ----------
    rows:
        Name to array (images, height, width).  Rows may differ in the size of their images.
    columns:
        What stands above each column, for instance the label.
    grey:
        Rows shown in grey, dark for small numbers.  All others are signed: blue below zero,
        vermillion above, white at zero.
    compare:
        Two signed rows, guess and truth.  Their cosine is written under each column and said in
        the sentence.
    scale:
        Where the strongest colour of a signed image comes from: the largest size in the same
        "image" (patterns), in the same "row" (which image is strong), or in "all" signed rows.

    Raises
    ------
    ValueError
        For rows that do not fit together, or names that are no rows.

    >>> picture = images({"g": np.eye(3)[None], "guess": np.eye(3)[None]}, compare=("guess", "g"))
    >>> picture.sentence
    'Rows of images: g and guess. The cosine of guess and g is 1.00.'
    """
    arrays = _checked(rows)
    if scale not in ("image", "row", "all"):
        raise ValueError(f"scale: got {scale!r}, need 'image', 'row' or 'all'")
    for name in (*grey, *(compare or ())):
        if name not in arrays:
            raise ValueError(f"{name!r}: got a name that is no row, need one of {list(arrays)}")
    count = len(next(iter(arrays.values())))
    if columns and len(columns) != count:
        raise ValueError(f"columns: got {len(columns)} names, need {count}, one for each image")
    cosines: list[float] = []
    if compare:
        guess, truth = (arrays[name] for name in compare)
        if guess.shape != truth.shape:
            raise ValueError(
                f"compare: got shapes {guess.shape} and {truth.shape}, need equal ones"
            )
        cosines = [cosine(a, b) for a, b in zip(guess, truth, strict=True)]

    picture = Picture(
        width,
        100,
        sentence=_sentence(arrays, columns, compare, cosines),
        alt=f"Images: {title or listing(list(arrays))}. Described in the text below.",
    )
    names = [*arrays, *(["cosine"] if compare else [])]
    left = 26 + max(text_width(picture, name, SMALL) for name in names)
    gap = 8.0
    side = min((width - left - 16) / count - gap, 84.0)
    heights = [side * array.shape[1] / array.shape[2] for array in arrays.values()]
    head = 12.0 + (26 if title else 0) + (20 if note else 0) + (20 if columns else 0)
    height = int(head + sum(heights) + gap * len(arrays) + (26 if compare else 6))
    picture.set_size_inches(width / picture.dpi, height / picture.dpi)
    picture.pixels = (width, height)
    headline(picture, title, note)

    def write(x: float, y: float, words: str, ha: str, color: str = INK) -> None:
        picture.text(
            x / width, 1 - y / height, words,
            ha=ha, va="center", fontsize=SMALL, fontfamily=FONT, color=color,
        )  # fmt: skip

    signed = [array for name, array in arrays.items() if name not in grey]
    overall = max((float(np.abs(array).max()) for array in signed), default=1.0)
    middles = [left + i * (side + gap) + side / 2 for i in range(count)]
    for middle, words in zip(middles, columns, strict=False):
        write(middle, head - 10, words, "center", MUTED)
    # One set of axes, in pixels of the page, for all images: a set for each takes a second to draw.
    ax = picture.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    top = head
    for (name, array), tall in zip(arrays.items(), heights, strict=True):
        write(left - 12, top + tall / 2, name, "right")
        strongest = np.abs(array).max(axis=(1, 2))
        if scale != "image":
            strongest[:] = strongest.max() if scale == "row" else overall
        for image, middle, largest in zip(array, middles, strongest, strict=True):
            at = (middle - side / 2, middle + side / 2, top + tall, top)
            _draw(ax, image, at, None if name in grey else float(largest), array)
        top += tall + gap
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    ax.set_aspect("auto")
    if compare:
        write(left - 12, top + 6, "cosine", "right", MUTED)
        for middle, value in zip(middles, cosines, strict=True):
            write(middle, top + 6, _two(value), "center", MUTED)
    return picture


def _two(value: float) -> str:
    """Two decimals, with a minus that can be seen, and no minus before zero."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _draw(
    ax: Axes,
    image: np.ndarray,
    at: tuple[float, float, float, float],
    largest: float | None,
    row: np.ndarray,
) -> None:
    """One image: in grey between the ends of its row, or signed up to ``largest``.

    ``at``: left, right, bottom and top.
    """
    if largest is None:
        norm = Normalize(float(row.min()), float(row.max()))
        colours: str | Colormap = "gray"
    else:
        norm = Normalize(-(largest or 1.0), largest or 1.0)
        colours = SIGNED
    ax.imshow(image, cmap=colours, norm=norm, extent=at, interpolation="nearest")
    left, right, bottom, top = at
    frame = Rectangle(
        (left, top), right - left, bottom - top, fill=False, edgecolor=FAINT, linewidth=1.0
    )
    ax.add_patch(frame)


def _sentence(
    arrays: Mapping[str, np.ndarray],
    columns: Sequence[str],
    compare: tuple[str, str] | None,
    cosines: Sequence[float],
) -> str:
    words = f"Rows of images: {listing(list(arrays))}."
    if compare:
        values = [_two(value) for value in cosines]
        if columns:
            values = [f"{value} ({name})" for value, name in zip(values, columns, strict=True)]
        verb = "is" if len(values) == 1 else "in the columns is"
        words += f" The cosine of {compare[0]} and {compare[1]} {verb} {listing(values)}."
        short, long = (float(np.linalg.norm(arrays[name])) for name in compare)
        if long and not np.isclose(short, long):
            words += (
                f" {capital(compare[0])} is {number(short / long)} times as long as {compare[1]}."
            )
    return words
