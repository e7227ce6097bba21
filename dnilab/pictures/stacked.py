"""Several pictures, one under the other, as one: for a panel that shows more than one thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dnilab.pictures.style import Picture


class Stacked(Picture):
    """One picture made of ``parts``, from top to bottom; its sentence is theirs in order.

    ``first`` is a sentence to be said before them.  All parts must be equally wide.

    Raises
    ------
    ValueError
        If there are no parts, or their widths differ.
    """

    def __init__(self, parts: Sequence[Picture], *, first: str = "", alt: str = "") -> None:
        widths = {part.pixels[0] for part in parts}
        if len(widths) != 1:
            found = ", ".join(map(str, sorted(widths))) or "none"
            raise ValueError(f"parts has widths {found}; it accepts one or more, all equal")
        sentences = [first, *(part.sentence for part in parts)]
        super().__init__(
            widths.pop(),
            sum(part.pixels[1] for part in parts),
            sentence=" ".join(sentence for sentence in sentences if sentence),
            alt=alt or "Several pictures, described in the text that follows",
        )
        self.parts = tuple(parts)

    def rgba(self, scale: float = 1.0) -> np.ndarray:
        """Render the parts and put them together."""
        return np.vstack([part.rgba(scale) for part in self.parts])
