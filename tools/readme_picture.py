"""Draw the picture at the top of the README from runs: python tools/readme_picture.py"""

from __future__ import annotations

from pathlib import Path

from dnilab.experiments import Settings, compare
from dnilab.pictures import Series, curves

TARGET = Path(__file__).parent.parent / "docs" / "convergence.png"


def main() -> None:
    base = Settings(task="addition", epochs=12)
    ways = {
        "backprop": (base.but(ordering="backprop"), 0),
        "DNI(h)": (base.but(context=("h",)), 1),
        "DNI(h, y)": (base.but(context=("h", "y")), 2),
        "last layer only": (base.but(ordering="last layer only"), 4),
    }
    results = compare([settings for settings, _ in ways.values()], seeds=(0, 1, 2))
    series = [
        Series(name, runs[0].curve("epoch"), [run.curve("bit_accuracy") for run in runs], look=look)
        for (name, (_, look)), runs in zip(ways.items(), results, strict=True)
    ]
    picture = curves(
        series,
        xlabel="epoch",
        ylabel="bits right on unseen sums",
        title="Learning to add, with true and with guessed gradients",
        percent=True,
        better="higher",
        size=(820, 400),
    )
    TARGET.write_bytes(picture.page_png())
    print(picture.sentence)


if __name__ == "__main__":
    main()
