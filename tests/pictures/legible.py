"""Whether a picture can be read: every text on the canvas, no two on each other."""

import io

import numpy as np
from matplotlib.text import Text
from PIL import Image


def texts(picture):
    """(text, extent in pixels) of everything written and visible."""
    picture.canvas.draw()
    renderer = picture.canvas.get_renderer()
    found = []
    hidden = set().union(*(never_drawn(axes) for axes in picture.axes))
    for text in picture.findobj(Text):
        if not text.get_visible() or not text.get_text().strip():
            continue
        if text in hidden:
            continue
        found.append((text.get_text(), text.get_window_extent(renderer)))
    return [(words, box) for words, box in found if box.width > 1 and box.height > 1]


def never_drawn(axes):
    """Labels that matplotlib keeps and does not draw: of an axis that is off, or out of range."""
    if not axes.axison:
        return {*axes.xaxis.findobj(Text), *axes.yaxis.findobj(Text)}
    kept = set()
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        slack = 1e-9 * (high - low)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low - slack <= tick.get_loc() <= high + slack:
                kept |= {tick.label1, tick.label2}
    return kept


def faults(picture, slack=1.5):
    """What is cut off or written over, in words; an empty list if all is well."""
    width, height = picture.pixels
    found = []
    boxes = texts(picture)
    for words, box in boxes:
        if box.x0 < -slack or box.y0 < -slack or box.x1 > width + slack or box.y1 > height + slack:
            found.append(f"{words!r} is cut off")
    for place, (words, a) in enumerate(boxes):
        for other, b in boxes[place + 1 :]:
            wide = min(a.x1, b.x1) - max(a.x0, b.x0)
            tall = min(a.y1, b.y1) - max(a.y0, b.y0)
            if wide > slack and tall > slack:
                found.append(f"{words!r} and {other!r} are on each other")
    return found


def is_drawn(png, least=0.002):
    """Whether a PNG has an image with more than a blank ground."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    return bool((pixels < 200).mean() > least)
