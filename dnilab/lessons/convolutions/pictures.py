"""Small images in rows: pixels in grey, and gradients in two colours around zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from dnilab.checks import one_of
from dnilab.pictures import style
from dnilab.pictures.draw import headline, pixel_axes, rect, text_width, write
from dnilab.pictures.style import FAINT, MUTED, SMALL, Fill, Picture, capital, listing, number
from dnilab.training.train import cosine

# Blue below zero, white at zero, vermillion above: told apart by every kind of colour-blindness.
# Where colour is lost altogether, blue is the darker of the two.
SHADES = ("#003F66", style.BLUE, style.GROUND, style.VERMILLION, "#7A3000")
SIGNED = LinearSegmentedColormap.from_list("signed", SHADES)

FRAME = Fill("none", FAINT, width=1.0)
GAP = 8.0  # pixels between two images


def _checked(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    arrays = {name: np.asarray(array, dtype=float) for name, array in rows.items()}
    if not arrays:
        raise ValueError("rows is empty; it accepts one row or more")
    count = len(next(iter(arrays.values())))
    for name, array in arrays.items():
        if array.ndim != 3 or len(array) != count or array.size == 0:
            accepts = f"(images, height, width) with {count} images, as many as in the first row"
            raise ValueError(f"rows[{name!r}] has shape {array.shape}; it accepts {accepts}")
        if not np.isfinite(array).all():
            raise ValueError(f"rows[{name!r}] has NaN or infinite numbers; it accepts finite ones")
    return arrays


def images(
    rows: Mapping[str, np.ndarray],
    *,
    columns: Sequence[str] = (),
    grey: Sequence[str] = (),
    compare: tuple[str, str] | None = None,
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
        vermillion above, white at zero, and the strongest colour at the largest size in the image.
    compare:
        Two signed rows, guess and truth.  Their cosine is written under each column and said in
        the sentence.

    Raises
    ------
    ValueError
        For rows that do not fit together, or names that are no rows.

    >>> picture = images({"g": np.eye(3)[None], "guess": np.eye(3)[None]}, compare=("guess", "g"))
    >>> picture.sentence
    'Rows of images: g and guess. The cosine of guess and g is 1.00.'
    """
    arrays = _checked(rows)
    for name in grey:
        one_of("grey", name, arrays)
    count = len(next(iter(arrays.values())))
    if columns and len(columns) != count:
        raise ValueError(f"columns has {len(columns)} names; it accepts {count}, one an image")
    cosines: list[float] = []
    if compare:
        guess, truth = (arrays[one_of("compare", name, arrays)] for name in compare)
        if guess.shape != truth.shape:
            said = f"compare has rows of shapes {guess.shape} and {truth.shape}"
            raise ValueError(f"{said}; it accepts equal ones")
        cosines = [cosine(a, b) for a, b in zip(guess, truth, strict=True)]

    alt = f"Images: {title or listing(list(arrays))}. Described in the text below."
    picture = Picture(width, sentence=_sentence(arrays, columns, compare, cosines), alt=alt)
    names = (*arrays, "cosine") if compare else tuple(arrays)
    left = 26 + max(text_width(picture, name) for name in names)
    side = min((width - left - 16) / count - GAP, 84.0)
    heights = [side * array.shape[1] / array.shape[2] for array in arrays.values()]
    head = 12.0 + (26 if title else 0) + (20 if note else 0) + (20 if columns else 0)
    height = int(head + sum(heights) + GAP * len(arrays) + (26 if compare else 6))
    picture.resize(width, height)
    headline(picture, title, note)
    lefts = [left + i * (side + GAP) for i in range(count)]
    # One set of axes, in pixels of the page, for all images: a set for each takes a second to draw.
    ax = pixel_axes(picture)
    y = height - head
    for x, words in zip(lefts, columns, strict=False):
        write(ax, x + side / 2, y + 10, words, SMALL, MUTED)
    for (name, array), tall in zip(arrays.items(), heights, strict=True):
        y -= tall
        write(ax, left - 12, y + tall / 2, name, align="right")
        for x, image in zip(lefts, array, strict=True):
            strong = float(np.abs(image).max()) or 1.0
            low, high = (array.min(), array.max()) if name in grey else (-strong, strong)
            shades = "gray" if name in grey else SIGNED
            extent = (x, x + side, y, y + tall)
            ax.imshow(image, shades, vmin=low, vmax=high, extent=extent, interpolation="nearest")
            rect(ax, (x, y), (side, tall), FRAME)
        y -= GAP
    ax.set(xlim=(0, width), ylim=(0, height), aspect="auto")  # imshow has set its own
    if compare:
        write(ax, left - 12, y - 6, "cosine", SMALL, MUTED, "right")
        for x, value in zip(lefts, cosines, strict=True):
            write(ax, x + side / 2, y - 6, _two(value), SMALL, MUTED)
    return picture


def _two(value: float) -> str:
    """Two decimals, with a minus that can be seen, and no minus before zero."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


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
            times = number(short / long)
            words += f" {capital(compare[0])} is {times} times as long as {compare[1]}."
    return words
