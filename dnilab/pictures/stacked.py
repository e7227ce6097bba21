"""Several pictures, one under the other, as one: for a panel that shows more than one thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dnilab.pictures.style import DPI, Picture, encode_png


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
            raise ValueError(f"parts: got widths {sorted(widths)}, need one or more, all equal")
        sentences = [first, *(part.sentence for part in parts)]
        super().__init__(
            widths.pop(),
            sum(part.pixels[1] for part in parts),
            sentence=" ".join(sentence for sentence in sentences if sentence),
            alt=alt or "Several pictures, described in the text that follows",
        )
        self.parts = tuple(parts)

    def png(self, *, scale: float = 1.0, compress_level: int = 1) -> bytes:
        """Render the parts and put them together."""
        arrays = []
        for part in self.parts:
            part.set_dpi(DPI * scale)
            try:
                part.canvas.draw()
                arrays.append(np.array(part.canvas.buffer_rgba()))  # type: ignore[attr-defined]
            finally:
                part.set_dpi(DPI)
        return encode_png(np.vstack(arrays), compress_level)
