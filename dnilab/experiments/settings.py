"""Every choice a panel or a notebook can make, in one frozen, validated object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from dnilab.checks import one_of, real_number, true_or_false, whole_number, whole_numbers
from dnilab.data import Dataset, binary_addition, digits, mnist
from dnilab.network import Optimiser, Stack, loss_named, optimiser_named
from dnilab.network.layers import ACTIVATIONS
from dnilab.network.losses import LOSSES
from dnilab.network.optimisers import OPTIMISERS
from dnilab.network.signals import check_context
from dnilab.orderings import (
    Groups,
    Program,
    backprop,
    blue_box,
    complete_unlock,
    even_groups,
    last_layer_only,
    module_times,
    multiplications,
    pipeline,
    sequential,
    sparse,
    sparse_backprop,
)
from dnilab.training import EXECUTORS, Event, train

ORDERINGS = (
    "backprop",
    "sequential",
    "blue box",
    "pipeline",
    "sparse",
    "complete unlock",
    "sparse backprop",
    "last layer only",
)
# These train on synthetic gradients.
DECOUPLED = ("sequential", "blue box", "pipeline", "sparse", "complete unlock")
# These have a worker for each group of modules.
GROUPED = ("pipeline", "complete unlock")
# The others run on one thread.
_OWN_EXECUTOR = {
    "pipeline": "threads",
    "complete unlock": "threads",
    "blue box": "thread per fit",
}
OWN = "own arrays"  # the rows are the reader's, handed in beside the settings
TASKS = ("addition", "digits", "mnist", OWN)


@dataclass(frozen=True)
class Settings:
    """One experiment, complete: equal settings and an equal seed give equal numbers.

    Raises ValueError, naming the field, what it got and what it accepts.
    """

    # the task
    task: str = "addition"
    bits: int = 12  # of each number and of the sum; addition only
    examples: int = 10_000  # training sums; addition only
    test_examples: int = 1_000  # unseen sums; addition only
    inputs: str = "centred"  # "centred" (-1, +1) or "binary" (0, 1); addition only
    # the network
    hidden: tuple[int, ...] = (128, 64)  # widths of the hidden layers: one module each
    activation: str = "tanh"
    batch_norm: bool = False
    loss: str | None = None  # None: the cross-entropy that fits the task
    dtype: str = "float64"
    # the generators
    context: tuple[str, ...] = ("h", "y")  # what they see; unused by other orderings
    generator_hidden: tuple[int, ...] = ()  # widths of their hidden layers; none: linear
    input_hidden: tuple[int, ...] = (128,)  # hidden layers of input models; complete unlock only
    # the training
    ordering: str = "sequential"
    workers: int = 2  # groups of modules with a worker each; pipeline and complete unlock
    staleness: int = 1  # batches that a fit comes late; pipeline and complete unlock
    guess_again: bool | None = None  # None: late fits do where it matters; see orderings.pipeline
    batches_per_turn: int = 1  # batches between two visits to a queue; pipeline only
    p: float = 0.5  # chance that a module updates on a batch; sparse, sparse backprop
    executor: str | None = None  # None: threads where the ordering has several workers
    optimiser: str = "adam"
    rate: float = 3e-3
    generator_rate: float | None = None  # None: the same as rate
    batch_size: int = 32
    epochs: int = 20
    seed: int = 0  # of the weights, of the data that is drawn and of the shuffling
    probe_rows: int = 0  # training rows on which synthetic and true gradients are compared

    def __post_init__(self) -> None:
        # What the checks return is kept: a plain int, float or bool, also where NumPy's was given.
        keep = partial(object.__setattr__, self)
        one_of("task", self.task, TASKS)
        keep("bits", whole_number("bits", self.bits, 2, 64))
        keep("examples", whole_number("examples", self.examples, 1))
        keep("test_examples", whole_number("test_examples", self.test_examples, 1))
        pairs = 4 ** (self.bits - 1)
        if self.task == "addition" and self.examples + self.test_examples > pairs:
            raise ValueError(
                f"examples is {self.examples} and test_examples is {self.test_examples}; with "
                f"bits={self.bits} they accept {pairs} together: there are no more different sums"
            )
        one_of("inputs", self.inputs, ("centred", "binary"))
        keep("hidden", whole_numbers("hidden", self.hidden, 1))
        one_of("activation", self.activation, tuple(ACTIVATIONS))
        keep("batch_norm", true_or_false("batch_norm", self.batch_norm))
        one_of("loss", self.loss, (None, *LOSSES))
        if self.task == "addition" and self.loss == "softmax cross-entropy":
            raise ValueError(
                "loss is 'softmax cross-entropy'; the bits of addition accept 'squared error' or "
                "'binary cross-entropy', for several of them can be 1"
            )
        one_of("dtype", self.dtype, ("float32", "float64"))
        keep("context", check_context(self.context))
        keep("generator_hidden", whole_numbers("generator_hidden", self.generator_hidden, 1))
        keep("input_hidden", whole_numbers("input_hidden", self.input_hidden, 1))
        one_of("ordering", self.ordering, ORDERINGS)
        keep("workers", whole_number("workers", self.workers, 1))
        modules = len(self.hidden) + 1
        if self.ordering in GROUPED and self.workers > modules:
            raise ValueError(
                f"workers is {self.workers}; it accepts 1 to {modules}, the number of modules"
            )
        soonest = 1 if self.ordering == "complete unlock" else 0
        keep("staleness", whole_number("staleness", self.staleness, soonest))
        if self.guess_again is not None:
            keep("guess_again", true_or_false("guess_again", self.guess_again))
        keep("batches_per_turn", whole_number("batches_per_turn", self.batches_per_turn, 1))
        if self.ordering == "pipeline" and 1 < self.batches_per_turn > self.staleness:
            raise ValueError(
                f"batches_per_turn is {self.batches_per_turn}; it accepts 1 to {self.staleness}, "
                "the staleness"
            )
        keep("p", real_number("p", self.p, 0, 1, above=True))
        one_of("executor", self.executor, (None, *EXECUTORS))
        for_blue_box = self.executor in ("thread per fit", "process per fit")
        if self.executor not in (None, "one thread") and (
            for_blue_box != (self.ordering == "blue box")
        ):
            raise ValueError(
                f"executor is {self.executor!r}; with the ordering {self.ordering!r} it accepts "
                f"None, 'one thread' or {'threads' if for_blue_box else 'thread per fit'!r}"
            )
        one_of("optimiser", self.optimiser, tuple(OPTIMISERS))
        keep("rate", real_number("rate", self.rate, 0, above=True))
        if self.generator_rate is not None:
            keep(
                "generator_rate", real_number("generator_rate", self.generator_rate, 0, above=True)
            )
        keep("batch_size", whole_number("batch_size", self.batch_size, 1))
        if self.task == "addition" and self.batch_size > self.examples:
            raise ValueError(
                f"batch_size is {self.batch_size}; it accepts 1 to {self.examples}, the number "
                "of examples"
            )
        if (self.batch_norm or "h_norm" in self.context) and self.batch_size < 2:
            raise ValueError("batch_size is 1; batch normalisation and h_norm accept 2 or more")
        keep("epochs", whole_number("epochs", self.epochs, 1))
        keep("seed", whole_number("seed", self.seed, 0))
        keep("probe_rows", whole_number("probe_rows", self.probe_rows, 0))
        if self.task == "addition" and self.probe_rows > self.examples:
            raise ValueError(
                f"probe_rows is {self.probe_rows}; it accepts 0 to {self.examples}, the number of "
                "examples"
            )
        if self.batch_norm and self.probe_rows == 1:
            raise ValueError("probe_rows is 1; with batch normalisation it accepts 0, or 2 or more")

    def but(self, /, **changes: Any) -> Settings:
        """The same settings with some fields changed."""
        unknown = set(changes) - set(self.__dataclass_fields__)
        if unknown:
            raise ValueError(
                f"{sorted(unknown)[0]} is not a setting; Settings accepts "
                + ", ".join(self.__dataclass_fields__)
            )
        return replace(self, **changes)

    @property
    def decoupled(self) -> bool:
        """Whether the ordering trains on synthetic gradients."""
        return self.ordering in DECOUPLED

    @property
    def name(self) -> str:
        """A short name, as the field says it: "backprop", "DNI(h, y)", "DNI(h), pipeline"."""
        if not self.decoupled:
            return self.ordering
        name = f"DNI({', '.join(self.context)})"
        return name if self.ordering == "sequential" else f"{name}, {self.ordering}"

    def data(self) -> Dataset:
        """The dataset; drawn sums depend on the seed, the images do not.

        Raises ValueError for own arrays: their rows are not part of the settings.
        """
        if self.task == OWN:
            raise ValueError(
                f"task is {OWN!r}, whose rows are not in the settings; hand them over beside "
                "them: run(settings, data=own_arrays(x, y))"
            )
        if self.task == "digits":
            return digits().astype(self.dtype)
        if self.task == "mnist":
            return mnist().astype(self.dtype)
        rng = np.random.default_rng([self.seed, 1])
        return binary_addition(
            rng, self.examples, bits=self.bits, n_test=self.test_examples, inputs=self.inputs
        ).astype(self.dtype)

    def stack(self, data: Dataset) -> Stack:
        """A new network for this data; equal seeds give equal weights in every ordering."""
        fitting = {"bits": "binary cross-entropy", "classes": "softmax cross-entropy"}
        return Stack.build(
            (data.inputs, *self.hidden, data.outputs),
            loss_named(self.loss or fitting[data.kind]),
            np.random.default_rng([self.seed, 2]),
            activation=self.activation,
            batch_norm=self.batch_norm,
            context=self.context if self.decoupled else None,
            generator_hidden=self.generator_hidden,
            input_hidden=self.input_hidden if self.ordering == "complete unlock" else None,
            dtype=np.dtype(self.dtype),
        )

    def program(self, data: Dataset | None = None) -> Program:
        """The ordering, written down for this network; ``data`` if it is drawn already."""
        modules = len(self.hidden) + 1
        match self.ordering:
            case "backprop":
                return backprop(modules)
            case "last layer only":
                return last_layer_only(modules)
            case "blue box":
                return blue_box(modules)
            case "sparse":
                return sparse(modules, p=self.p, seed=self.seed)
            case "sparse backprop":
                return sparse_backprop(modules, p=self.p, seed=self.seed)
            case "pipeline" | "complete unlock":
                return self.in_groups(self.groups(self.data() if data is None else data))
            case _:
                return sequential(modules)

    def in_groups(self, groups: Groups) -> Program:
        """The ordering for these groups of modules: a pipeline, or a complete unlock."""
        late: dict[str, Any] = {"staleness": self.staleness, "guess_again": self.guess_again}
        if self.ordering == "complete unlock":
            return complete_unlock(groups, **late)
        return pipeline(groups, batches_per_turn=self.batches_per_turn, **late)

    def groups(self, data: Dataset) -> Groups:
        """The modules of each worker, by the cost model, as even as can be."""
        widths = (data.inputs, *self.hidden, data.outputs)
        costs = multiplications(widths, self.context, self.generator_hidden, self.input_hidden)
        modules = len(widths) - 1
        everything = (tuple(range(1, modules + 1)),)
        return even_groups(module_times(self.in_groups(everything), costs), self.workers)

    def executor_name(self) -> str:
        """The executor: the one asked for, or the ordering's own."""
        return self.executor or _OWN_EXECUTOR.get(self.ordering, "one thread")

    def optimisers(self) -> tuple[Optimiser, Optimiser]:
        """The optimiser of the modules and that of the generators."""
        generator_rate = self.rate if self.generator_rate is None else self.generator_rate
        return (
            optimiser_named(self.optimiser, self.rate),
            optimiser_named(self.optimiser, generator_rate),
        )

    def start(
        self, report_every: int | None = None, data: Dataset | None = None
    ) -> tuple[Stack, Iterator[Event]]:
        """A new network, and the events of its training, which begins with the first of them.

        ``data``: the rows to learn from, if they are not those that the settings draw.
        ``report_every`` is in batches; None: once an epoch.
        """
        data = self.data() if data is None else data.astype(self.dtype)
        stack = self.stack(data)
        optimiser, generator_optimiser = self.optimisers()
        return stack, train(
            stack,
            data,
            self.program(data),
            optimiser=optimiser,
            generator_optimiser=generator_optimiser,
            batch_size=self.batch_size,
            epochs=self.epochs,
            seed=self.seed,
            report_every=report_every,
            probe_rows=self.probe_rows,
            executor=self.executor_name(),
        )
