"""What each way of training costs: its locks, its work, its messages.  Nothing is timed.

    python -m benchmarks.prices [--json] [--widths 64 128 128 ... 10] [--modules 2]

Work: multiplications a batch, over those of backpropagation.  Messages: activations and gradients
that modules hand each other, a batch.  Each way with every layer a module, and with as many
modules as asked for, cut evenly by the cost model.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.harness import finish, options
from dnilab.experiments import Settings
from dnilab.experiments.settings import GROUPED
from dnilab.orderings import Price, multiplications, price

WIDTHS = (64, *(128,) * 8, 10)
WAYS = (
    "backprop",
    "sequential",
    "pipeline",
    "complete unlock",
    "local loss",
    "direct feedback",
    "last layer only",
)


def price_table(prices: Mapping[str, Price]) -> str:
    """A line for each ordering: which locks it holds, its work, its messages."""
    width = max(len("ordering"), *map(len, prices))
    lines = [f"{'ordering':{width}}  forward  update  backward   work  messages"]
    for name, of in prices.items():
        marks = "  ".join(
            f"{'locked' if lock in of.locks else 'free':>{max(len(lock), 6)}}"
            for lock in ("forward", "update", "backward")
        )
        lines.append(f"{name:{width}}  {marks}  {of.work:5.2f}  {of.messages:8.1f}")
    return "\n".join(lines)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS))
    parser.add_argument("--modules", type=int, default=2)
    arguments = parser.parse_args()
    widths = tuple(arguments.widths)
    whole = multiplications(widths, cuts=(), signal="truth")  # all layers as one module
    reference = whole["forward", 1] + whole["backward", 1]
    prices = {}
    for cuts in (None, arguments.modules):
        for way in WAYS:
            settings = Settings(hidden=widths[1:-1], ordering=way, cuts=cuts, workers=1)
            everything = (tuple(range(1, settings.modules + 1)),)  # one worker has all modules
            grouped = way in GROUPED
            program = settings.in_groups(everything) if grouped else settings.program()
            prices[settings.name] = price(program, settings.costs(widths), reference)
    rows = [{"training": name, **vars(of)} for name, of in prices.items()]
    if not arguments.json:
        print(price_table(prices))
    finish(arguments, {"prices": rows}, rows if arguments.json else [])


if __name__ == "__main__":
    main()
