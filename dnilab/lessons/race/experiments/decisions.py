"""Who is ahead?  Cases for the exercise of notebook 14, decided by the ideal timeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from dnilab.lessons.race.experiments.contestants import IN_LINE, Network, contestants, far_limit

WAYS = (IN_LINE, "1F1B", "late truth", "generator")
"""What one can decide for: here no module has a label, so none has a loss of its own."""

PRODUCTS = 1e10  # multiplications a second: a round number, so that all machines agree


@dataclass(frozen=True)
class Case:
    """A network, machines to train it on, and what is known of the batches that each way needs.

    ``layers`` of ``width``, cut once between each two ``machines``; a ``batch`` is rows.
    ``latency``: ms until a message is there.  ``staleness``: batches that fits and late gradients
    may be late.  ``more``: times the batches of backpropagation that a way needs, if not 1.
    """

    layers: int
    width: int
    batch: int
    machines: int
    latency: float
    staleness: int
    more: dict[str, float] = field(default_factory=dict)

    @cached_property
    def of_a_batch(self) -> dict[str, float]:
        """Speed of a batch of each way, backpropagation in line on one machine = 1."""
        network = Network((self.width,) * (self.layers + 1))
        among = contestants(network, modules=self.machines, staleness=self.staleness)
        far = {"products": PRODUCTS, "latency": self.latency / 1e3}
        return {
            way: 1.0
            if way == IN_LINE
            else far_limit(among[way], network, self.batch, self.machines, **far)
            for way in WAYS
        }

    @property
    def speeds(self) -> dict[str, float]:
        """Speed to the same accuracy: that of a batch, over the batches it needs."""
        return {way: speed / self.more.get(way, 1.0) for way, speed in self.of_a_batch.items()}

    @property
    def ahead(self) -> str:
        """The quickest way."""
        speeds = self.speeds
        return max(speeds, key=lambda way: speeds[way])


CASES = {
    "A": Case(8, 512, 256, 4, 0.02, 1, {"late truth": 2.5, "generator": 2.0}),
    "B": Case(8, 512, 256, 4, 100.0, 1, {"generator": 2.0}),
    "C": Case(8, 512, 256, 4, 100.0, 8, {"late truth": 1.1, "generator": 2.0}),
    "D": Case(8, 512, 256, 4, 100.0, 8, {"late truth": 4.0, "generator": 1.5}),
}
"""Four cases, each with another answer."""
