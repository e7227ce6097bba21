"""The public doors: what a reader calls, each with arguments that it takes.

``DOORS``: by name, the function and a maker of arguments that it accepts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dnilab import data, experiments, network, orderings, pictures, training, widgets
from dnilab.experiments import Settings
from dnilab.lessons.race.dots import dots
from dnilab.lessons.shared import rivals, trainer
from dnilab.lessons.shared.ratios import ratios
from dnilab.lessons.update_orderings.critical_path import critical_path

Arguments = dict[str, Any]

# What errors call an argument, where that is clearer than the argument's own name.
ALSO_CALLED = ("activation", "cuts", "loss", "modules", "optimiser", "seed", "the signal", "width")

DOORS: dict[str, tuple[Callable[..., Any], Callable[[], Arguments]]] = {}


def door(function: Callable[..., Any], name: str = "") -> Callable[[Callable[[], Arguments]], None]:
    """Enter a function, called as in the decorated maker of arguments."""

    def enter(make: Callable[[], Arguments]) -> None:
        DOORS[name or function.__qualname__] = (function, make)

    return enter


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def stack() -> network.Stack:
    loss = network.BinaryCrossEntropy()
    return network.Stack.build((8, 4, 4), loss, rng(), context=("h", "y"))


def sums() -> data.Dataset:
    return data.binary_addition(rng(), 30, bits=4, n_test=10)


def times() -> dict[tuple[str, int], float]:
    return {(op, k): 1.0 for op in ("forward_update", "fit", "late_fit") for k in (1, 2, 3)}


def tiny() -> Settings:
    return Settings(bits=4, examples=20, test_examples=5, batch_size=5, hidden=(3,), epochs=1)


def total(v: np.ndarray) -> Any:
    """A function to differentiate: what it makes of odd numbers is its own affair."""
    return v.sum()


x, y = np.ones((4, 8)), np.zeros((4, 4))
two = orderings.sequential(2)

door(data.binary_addition)(
    lambda: {"rng": rng(), "n": 20, "bits": 4, "n_test": 5, "inputs": "binary"}
)
door(data.batches)(lambda: {"rng": rng(), "n": 10, "batch_size": 3})
door(data.Dataset)(
    lambda: {"name": "n", "kind": "bits", "x_train": x, "y_train": y, "x_test": x, "y_test": y}
)
door(network.Adam)(lambda: {"rate": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8})
door(network.Momentum)(lambda: {"rate": 0.1, "momentum": 0.9})
door(network.SGD)(lambda: {"rate": 0.1})
door(network.BatchNorm)(lambda: {"width": 3, "epsilon": 1e-5, "dtype": np.float64})
door(network.Dense)(lambda: {"n_in": 3, "n_out": 2, "rng": rng(), "gain": 1.0, "dtype": "float32"})
door(network.Chain)(lambda: {"layers": [network.Tanh()], "frozen": False})
door(network.Feedback)(lambda: {"width": 3, "outputs": 2, "rng": rng(), "dtype": np.float32})
door(network.Readout)(
    lambda: {
        "width": 3,
        "outputs": 2,
        "loss": network.SquaredError(),
        "hidden": (3,),
        "rng": rng(),
        "dtype": np.float32,
    }
)
door(network.Generator)(
    lambda: {
        "width": 3,
        "context": ("h", "x", "y"),
        "inputs": 3,
        "outputs": 2,
        "hidden": (3,),
        "rng": rng(),
        "dtype": np.float32,
    }
)
door(network.Stack)(
    lambda: {
        "modules": [network.Module(network.Chain([network.Dense(8, 4, rng())]))],
        "loss": network.SquaredError(),
        "heard": None,
    }
)
door(network.Stack.build, "Stack.build")(
    lambda: {
        "widths": (8, 4, 4),
        "loss": network.SquaredError(),
        "rng": rng(),
        "activation": "tanh",
        "batch_norm": False,
        "cuts": (1,),
        "signals": "generator",
        "context": ("h",),
        "generator_hidden": (3,),
        "readout_hidden": (3,),
        "input_hidden": (3,),
        "fixed_feedback": False,
        "frozen": 0,
        "dtype": np.float64,
    }
)
door(network.activation)(lambda: {"name": "tanh"})
door(network.loss_named)(lambda: {"name": "squared error"})
door(network.optimiser_named)(lambda: {"name": "sgd", "rate": 0.1})
door(network.relative_error)(lambda: {"a": x, "b": x})
door(network.joined_context)(lambda: {"context": ("h", "y"), "h": x, "x": x, "y": y})
door(partial(network.complex_step, total), "complex_step")(lambda: {"x": x, "step": 1e-30})
door(partial(network.finite_difference, total), "finite_difference")(lambda: {"x": x, "step": 1e-6})
door(orderings.Step)(lambda: {"op": "update", "module": 1, "batch": 0, "alone": False, "over": 1})
door(orderings.Program)(
    lambda: {
        "name": "p",
        "modules": 2,
        "workers": two.workers,
        "batches_per_turn": 1,
        "parcels": False,
        "wiring": None,
    }
)
door(orderings.Wiring)(lambda: {"heard": (((0, 0),), ((1, 0),)), "signals": ("generator", "truth")})
door(orderings.chain)(lambda: {"modules": 2, "signals": "generator"})
for one in (
    orderings.backprop,
    orderings.blue_box,
    orderings.direct_feedback,
    orderings.last_layer_only,
    orderings.sequential,
):
    door(one)(lambda: {"modules": 3})
for one in (orderings.sparse, orderings.sparse_backprop):
    door(one)(lambda: {"modules": 3, "p": 0.5, "seed": 0})
door(orderings.check)(lambda: {"program": two, "batches": 3})
for one in (critical_path, orderings.module_times):
    door(one)(lambda: {"program": two, "times": times()})
for one in (orderings.time_per_batch, orderings.speed_up_limit):
    door(one)(lambda: {"program": two, "times": times(), "cores": 2, "delays": {("h", 1): 0.5}})
door(orderings.ideal_timeline)(
    lambda: {"program": two, "times": times(), "cores": 2, "batches": 3, "delays": {("h", 1): 0.5}}
)
door(orderings.price)(lambda: {"program": two, "times": times(), "reference": 1.0})
door(orderings.complete_unlock)(
    lambda: {"groups": [(1,), (2,)], "staleness": 1, "guess_again": None}
)
door(orderings.pipeline)(
    lambda: {
        "groups": [(1,), (2,)],
        "staleness": 1,
        "batches_per_turn": 1,
        "guess_again": None,
        "wiring": None,
    }
)
door(orderings.local_loss)(lambda: {"groups": [(1,), (2,)], "wiring": None})
for one in (rivals.gpipe, rivals.zero_bubble, rivals.one_forward_one_backward):
    door(one)(lambda: {"groups": [(1,), (2,)], "micro_batches": 2})
door(rivals.micro_batched)(lambda: {"modules": 2, "micro_batches": 2})
door(rivals.late_truth)(lambda: {"groups": [(1,), (2,)], "staleness": 1, "keep_weights": True})
door(rivals.late_feedback)(lambda: {"groups": [(1,), (2,)], "staleness": 1})
door(orderings.even_cuts)(lambda: {"widths": (6, 4, 4, 4), "modules": 2, "guess_again": False})
door(orderings.even_groups)(lambda: {"times": [1.0, 2.0, 3.0], "workers": 2})
door(orderings.multiplications)(
    lambda: {
        "widths": (8, 4, 4),
        "context": ("h",),
        "generator_hidden": (3,),
        "input_hidden": (3,),
        "cuts": (1,),
        "signal": "generator",
        "readout_hidden": (),
    }
)
door(orderings.instants)(lambda: {"program": two, "count": 3})
door(orderings.locks)(lambda: {"program": two})
door(orderings.needs_and_makes)(lambda: {"step": orderings.Step("update", 1), "modules": 2})
door(orderings.unroll)(lambda: {"program": two, "batches": 3})
door(trainer.Trainer)(
    lambda: {
        "stack": stack(),
        "program": two,
        "optimiser": network.SGD(0.1),
        "generator_optimiser": network.SGD(0.1),
    }
)
door(training.alignment)(lambda: {"stack": stack(), "x": x, "y": y})
door(training.scores)(lambda: {"kind": "bits", "prediction": y, "y": y})
door(training.wiring_of)(lambda: {"stack": stack()})
door(training.train)(
    lambda: {
        "stack": stack(),
        "data": sums(),
        "program": two,
        "optimiser": network.SGD(0.1),
        "generator_optimiser": network.SGD(0.1),
        "batch_size": 10,
        "epochs": 1,
        "seed": 0,
        "report_every": 2,
        "probe_rows": 3,
        "executor": "one thread",
    }
)
door(experiments.Settings)(lambda: {**vars(tiny()), "task": "addition"})
door(experiments.run)(lambda: {"settings": tiny(), "report_every": 2, "data": sums()})
door(experiments.compare)(lambda: {"settings": [tiny()], "seeds": (0, 1), "report_every": 2})
door(experiments.stream)(lambda: {"settings": tiny(), "report_every": 2, "data": sums()})
door(experiments.summary)(lambda: {"runs": [experiments.run(tiny())], "what": "bit_accuracy"})
door(pictures.Series)(lambda: {"label": "a", "x": [0, 1], "y": [1.0, 2.0], "look": None})
door(pictures.Table)(lambda: {"head": ("a",), "body": (("b",),), "caption": "c"})
door(pictures.Results)(
    lambda: {
        "values": {"a": {"b": [1.0]}},
        "quantity": "q",
        "rows": "r",
        "columns": "c",
        "percent": False,
        "better": "lower",
    }
)
door(pictures.curves)(
    lambda: {
        "series": [pictures.Series("a", [0, 1], [1, 2])],
        "labels": "end",
        "log_x": False,
        "log_y": False,
        "xlabel": "x",
        "ylabel": "y",
        "title": "t",
        "percent": False,
        "better": "lower",
        "ylim": (0, 1),
        "marks": [(1.0, "m")],
        "size": (300, 200),
    }
)
door(dots)(
    lambda: {
        "results": pictures.Results({"a": {"b": [1.0]}}, "q"),
        "title": "t",
        "limits": (0, 1),
        "looks": {"a": 1},
    }
)
door(ratios)(
    lambda: {
        "measured": {"a": 1.0},
        "ideal": {"a": 1.0},
        "limits": None,
        "reference": "r",
        "title": "t",
        "note": "n",
    }
)
door(pictures.table)(lambda: {"results": pictures.Results({"a": {"b": [1.0]}}, "q")})
door(pictures.timeline)(
    lambda: {
        "bars": pictures.bars_of_slots(orderings.ideal_timeline(two, times(), batches=2)),
        "title": "t",
        "measured": False,
        "unit": None,
    }
)
door(widgets.Choice)(lambda: {"options": ["a", "b"], "value": "a", "label": "l"})
door(widgets.Slider)(
    lambda: {"min": 0, "max": 1, "step": 0.1, "value": 0.5, "label": "l", "unit": "u", "log": False}
)
door(widgets.Toggle)(lambda: {"value": True, "label": "l"})
