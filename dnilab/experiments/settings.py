"""Every choice a panel or a notebook can make, in one frozen, validated object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dnilab import orderings
from dnilab.checks import refuse, true_or_false, whole_number, whole_numbers
from dnilab.data import Dataset, binary_addition, digits, mnist
from dnilab.experiments.settings_table import WIDTHS, Table, above, among, or_none, setting, whole
from dnilab.here import executor_here
from dnilab.network import Optimiser, Stack, loss_named, optimiser_named
from dnilab.network.layers import ACTIVATIONS, LOSSES
from dnilab.network.modules import check_context
from dnilab.network.optimisers import OPTIMISERS
from dnilab.training import EXECUTORS, Event, train
from dnilab.training.train import Executor

# What a panel calls an ordering, and its name.
_ORDERINGS = {
    "backpropagation": "backprop",
    "sequential (Red Box)": "sequential",
    "threaded as published (Blue Box)": "blue box",
    "pipeline, a thread per worker": "pipeline",
    "sparse updates": "sparse",
    "complete unlock": "complete unlock",
    "sparse backpropagation": "sparse backprop",
    "last layer only": "last layer only",
    "local loss, a readout for each module": "local loss",
    "direct feedback alignment": "direct feedback",
    "feedback alignment": "feedback alignment",
}
ORDERINGS = tuple(_ORDERINGS.values())
# These train on synthetic gradients.
DECOUPLED = ("sequential", "blue box", "pipeline", "sparse", "complete unlock")
# Their fits may come late.
LATE = ("pipeline", "complete unlock")
# These have a worker for each group of modules.
GROUPED = (*LATE, "local loss")
# What tells a module below the top its gradient, where that is no generator: see Stack.build.
_SIGNALS = {"local loss": "readout", "direct feedback": "feedback"}
# Their readouts and random matrices are made for dense layers.
MADE_OF_DENSE = (*_SIGNALS, "feedback alignment")
# The others run on one thread.
_OWN_EXECUTOR = {"pipeline": "threads", "complete unlock": "threads", "blue box": "thread per fit"}
OWN = "own arrays"  # the rows are the reader's, handed in beside the settings
TASKS = ("addition", "digits", "mnist", OWN)
_TASKS = {"your arrays": OWN, "binary addition": "addition", "scanned digits": "digits"}

# When a setting changes anything.
_SUMS = {"task": ("addition",)}
_GUESSES = {"ordering": DECOUPLED}
_GROUPS = {"ordering": GROUPED}
_LATE = {"ordering": LATE}
_SPARSE = {"ordering": ("sparse", "sparse backprop")}
_UNLOCK = {"ordering": ("complete unlock",)}


def _context(_: str, value: Any) -> tuple[str, ...]:
    return check_context(value)


def _cuts(name: str, value: Any) -> int | tuple[int, ...] | None:
    """None, how many modules there are, or the layers above which the network is cut."""
    if value is None or isinstance(value, (int, np.integer)):
        return None if value is None else whole_number(name, value, 1)
    numbers = whole_numbers(name, value, 1)
    if list(numbers) != sorted(set(numbers)):
        refuse(name, value, "numbers of layers in order, each once; or how many modules; or None")
    return numbers


@dataclass(frozen=True)
class Settings(Table):
    """One experiment, complete: equal settings and an equal seed give equal numbers.

    Raises ValueError, naming the field, what it got and what it accepts.
    """

    # the task
    task: str = setting("addition", among(TASKS), "Task", _TASKS)
    # of each number and of the sum
    bits: int = setting(12, whole(2, 64), "Bits of each number", (4, 24, 1), _SUMS)
    examples: int = setting(10_000, whole(1), "Training sums", (100, 20_000, 100), _SUMS)
    test_examples: int = setting(1_000, whole(1), when=_SUMS)  # unseen sums
    inputs: str = setting("centred", among(("centred", "binary")), when=_SUMS)  # -1, +1; or 0, 1
    # the network
    hidden: tuple[int, ...] = setting((128, 64), WIDTHS)  # of the hidden layers
    # Into modules: how many, cut evenly by the cost model; or the layers that are cut above; None:
    # a layer a module
    cuts: int | tuple[int, ...] | None = setting(None, _cuts)
    # modules that keep their random start, from the first on: the control of what they add
    frozen: int = setting(0, whole(0))
    activation: str = setting("tanh", among(ACTIVATIONS), "Activation", [*ACTIVATIONS])
    batch_norm: bool = setting(False, true_or_false, "Batch normalisation")
    # None: the cross-entropy that fits the task
    loss: str | None = setting(None, among((None, *LOSSES)))
    dtype: str = setting("float64", among(("float32", "float64")))
    # the generators: what they see, and widths of their hidden layers; none: linear
    context: tuple[str, ...] = setting(("h", "y"), _context, when=_GUESSES)
    generator_hidden: tuple[int, ...] = setting((), WIDTHS, when=_GUESSES)
    input_hidden: tuple[int, ...] = setting((128,), WIDTHS, when=_UNLOCK)  # of input models
    readout_hidden: tuple[int, ...] = setting((), WIDTHS, when={"ordering": ("local loss",)})
    # the training
    ordering: str = setting("sequential", among(ORDERINGS), "Ordering", _ORDERINGS)
    # groups of modules with a worker each
    workers: int = setting(2, whole(1), "Workers", (1, 9, 1), _GROUPS)
    # that a fit comes late
    staleness: int = setting(1, whole(0), "Staleness", (0, 16, 1), _LATE, "batches")
    # None: late fits do; see orderings.pipeline
    guess_again: bool | None = setting(None, or_none(true_or_false), when=_LATE)
    # between two visits to a queue
    batches_per_turn: int = setting(1, whole(1), when={"ordering": ("pipeline",)})
    p: float = setting(0.5, above(0, 1), "Probability p of an update", (0.05, 1.0, 0.05), _SPARSE)
    # None: threads where the ordering has several workers
    executor: str | None = setting(None, among((None, *EXECUTORS)))
    optimiser: str = setting("adam", among(OPTIMISERS), "Optimiser", [*OPTIMISERS])
    rate: float = setting(3e-3, above(0), "Learning rate", (1e-5, 10.0))
    # None: the same as rate
    generator_rate: float | None = setting(
        None, or_none(above(0)), "Learning rate of the generators", (1e-5, 10.0), _GUESSES
    )
    batch_size: int = setting(32, whole(1), "Batch size", (1, 1000, 1))
    epochs: int = setting(20, whole(1), "Epochs", (1, 200, 1))
    seed: int = setting(0, whole(0))  # of the weights, of the data that is drawn, of the shuffling
    probe_rows: int = setting(0, whole(0))  # on which synthetic and true gradients are compared

    def check_together(self) -> None:
        """Raise ValueError for settings that are accepted one by one, but not together."""
        self._check_task()
        self._check_ordering()
        self._check_batches()

    def _check_task(self) -> None:
        pairs = 4 ** (self.bits - 1)
        if self.task == "addition" and self.examples + self.test_examples > pairs:
            said = f"examples is {self.examples} and test_examples is {self.test_examples}"
            accept = f"they accept {pairs} together: there are no more different sums"
            raise ValueError(f"{said}; with bits={self.bits} {accept}")
        if self.task == "addition" and self.loss == "softmax cross-entropy":
            accepts = "'squared error' or 'binary cross-entropy', for several of them can be 1"
            raise ValueError(f"loss is {self.loss!r}; the bits of addition accept {accepts}")

    def _check_ordering(self) -> None:
        layers = len(self.hidden) + 1
        if isinstance(self.cuts, int) and self.cuts > layers:
            self.refuse("cuts", f"1 to {layers} modules, as many as there are layers")
        if isinstance(self.cuts, tuple) and self.cuts and self.cuts[-1] >= layers:
            self.refuse("cuts", f"layers 1 to {layers - 1}: a cut is above a layer, below another")
        if self.frozen >= self.modules:
            self.refuse("frozen", f"0 to {self.modules - 1}: the top module learns")
        if self.ordering in GROUPED and self.workers > self.modules:
            self.refuse("workers", f"1 to {self.modules}, the number of modules")
        if self.ordering == "complete unlock":
            whole_number("staleness", self.staleness, 1)
        if self.ordering == "pipeline" and 1 < self.batches_per_turn > self.staleness:
            self.refuse("batches_per_turn", f"1 to {self.staleness}, the staleness")
        if self.executor not in (None, "one thread"):
            for_blue_box = self.executor in ("thread per fit", "process per fit")
            if for_blue_box != (self.ordering == "blue box"):
                other = "threads" if for_blue_box else "thread per fit"
                given = f"with the ordering {self.ordering!r}"
                self.refuse("executor", f"None, 'one thread' or {other!r}", given)

    def _check_batches(self) -> None:
        if self.task == "addition" and self.batch_size > self.examples:
            self.refuse("batch_size", f"1 to {self.examples}, the number of examples")
        if self.task == "addition" and self.probe_rows > self.examples:
            self.refuse("probe_rows", f"0 to {self.examples}, the number of examples")
        if (self.batch_norm or "h_norm" in self.context) and self.batch_size < 2:
            raise ValueError("batch_size is 1; batch normalisation and h_norm accept 2 or more")
        if self.batch_norm and self.probe_rows == 1:
            self.refuse("probe_rows", "0, or 2 or more", "with batch normalisation")

    @property
    def decoupled(self) -> bool:
        """Whether the ordering trains on synthetic gradients."""
        return self.ordering in DECOUPLED

    @property
    def way(self) -> str:
        """How it is trained, as the field says it: "backprop", "DNI(h, y)", "DNI(h), pipeline"."""
        if not self.decoupled:
            return self.ordering
        name = f"DNI({', '.join(self.context)})"
        return name if self.ordering == "sequential" else f"{name}, {self.ordering}"

    @property
    def name(self) -> str:
        """A short name: the way; how many modules, if layers share them; how many are frozen."""
        modules = f", {self.modules} module{'s' if self.modules > 1 else ''}"
        frozen = f", frozen up to {self.frozen}" if self.frozen else ""
        return self.way + ("" if self.cuts is None else modules) + frozen

    @property
    def modules(self) -> int:
        """How many modules the network is cut into."""
        if self.cuts is None:
            return len(self.hidden) + 1
        return self.cuts if isinstance(self.cuts, int) else len(self.cuts) + 1

    @property
    def signal(self) -> str:
        """What tells each module below the top its gradient: see ``Stack.build``."""
        return "generator" if self.decoupled else _SIGNALS.get(self.ordering, "truth")

    def _cut_above(self, widths: tuple[int, ...]) -> tuple[int, ...] | None:
        """The layers above which a network of these widths is cut; None: all."""
        if not isinstance(self.cuts, int):
            return self.cuts
        again = self.ordering in LATE and self.staleness > 0 and self.guess_again is not False
        return orderings.even_cuts(widths, self.cuts, guess_again=again, **self._of_signal)

    @property
    def _of_signal(self) -> dict[str, Any]:
        """What the cost model has to know of the signals and input models."""
        names = ("context", "generator_hidden", "input_hidden", "readout_hidden", "signal")
        return {name: getattr(self, name) for name in names}

    def data(self) -> Dataset:
        """The dataset; drawn sums depend on the seed, the images do not.

        Raises ValueError for own arrays: their rows are not part of the settings.
        """
        if self.task == OWN:
            said = f"task is {OWN!r}, whose rows are not in the settings"
            how = "hand them over beside them: run(settings, data=own_arrays(x, y))"
            raise ValueError(f"{said}; {how}")
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
        widths = (data.inputs, *self.hidden, data.outputs)
        return Stack.build(
            widths,
            loss_named(self.loss or fitting[data.kind]),
            np.random.default_rng([self.seed, 2]),
            activation=self.activation,
            batch_norm=self.batch_norm,
            cuts=self._cut_above(widths),
            signals=self.signal,
            context=self.context,
            generator_hidden=self.generator_hidden,
            readout_hidden=self.readout_hidden,
            fixed_feedback=self.ordering == "feedback alignment",
            frozen=self.frozen,
            input_hidden=self.input_hidden if self.ordering == "complete unlock" else None,
            dtype=np.dtype(self.dtype),
        )

    def program(self, data: Dataset | None = None) -> orderings.Program:
        """The ordering, written down for this network; ``data`` if it is drawn already."""
        modules = self.modules
        match self.ordering:
            case "backprop" | "feedback alignment":
                return replace(orderings.backprop(modules), name=self.ordering)
            case "direct feedback":
                return orderings.direct_feedback(modules)
            case "last layer only":
                return orderings.last_layer_only(modules)
            case "blue box":
                return orderings.blue_box(modules)
            case "sparse":
                return orderings.sparse(modules, p=self.p, seed=self.seed)
            case "sparse backprop":
                return orderings.sparse_backprop(modules, p=self.p, seed=self.seed)
            case "pipeline" | "complete unlock" | "local loss":
                return self.in_groups(self.groups(self.data() if data is None else data))
            case _:
                return orderings.sequential(modules)

    def in_groups(self, groups: orderings.Groups) -> orderings.Program:
        """The ordering for these groups of modules: a pipeline, say, or a complete unlock."""
        if self.ordering == "local loss":
            return orderings.local_loss(groups)
        late: dict[str, Any] = {"staleness": self.staleness, "guess_again": self.guess_again}
        if self.ordering == "complete unlock":
            return orderings.complete_unlock(groups, **late)
        return orderings.pipeline(groups, batches_per_turn=self.batches_per_turn, **late)

    def groups(self, data: Dataset) -> orderings.Groups:
        """The modules of each worker, by the cost model, as even as can be."""
        costs = self.costs((data.inputs, *self.hidden, data.outputs))
        everything = (tuple(range(1, self.modules + 1)),)
        return orderings.even_groups(
            orderings.module_times(self.in_groups(everything), costs), self.workers
        )

    def costs(self, widths: tuple[int, ...]) -> dict[tuple[str, int], float]:
        """What each step costs by the cost model, for a network of these widths."""
        return orderings.multiplications(widths, cuts=self._cut_above(widths), **self._of_signal)

    def executor_name(self) -> str:
        """The executor: the one asked for, or the ordering's own; in a browser one thread."""
        return executor_here(self.executor or _OWN_EXECUTOR.get(self.ordering, "one thread"))

    def optimisers(self) -> tuple[Optimiser, Optimiser]:
        """The optimiser of the modules and that of the generators."""
        generator_rate = self.rate if self.generator_rate is None else self.generator_rate
        return (
            optimiser_named(self.optimiser, self.rate),
            optimiser_named(self.optimiser, generator_rate),
        )

    def start(
        self,
        report_every: int | None = None,
        data: Dataset | None = None,
        executor: Executor | None = None,
    ) -> tuple[Stack, Iterator[Event]]:
        """A new network, and the events of its training, which begins with the first of them.

        ``data``: the rows to learn from, if they are not those that the settings draw.
        ``report_every`` is in batches; None: once an epoch.  ``executor``: see ``train``; None: the
        one that the settings name.
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
            executor=executor or self.executor_name(),
        )
