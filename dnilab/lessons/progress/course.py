"""The notebooks of the course, and the exercises of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """A notebook: the name of its file without ``.ipynb``, its title, and its exercises."""

    stem: str
    title: str
    asked: str
    """The exercises in their order: a word each, the name of the checker without ``check_``."""

    @property
    def number(self) -> str:
        return self.stem[:2]

    @property
    def exercises(self) -> tuple[str, ...]:
        return tuple(self.asked.split())


COURSE = (
    Lesson("00_start_here", "Start here", "weighted_sum"),
    Lesson(
        "01_chain_rule",
        "The chain rule",
        "gradient_of_W2 gradient_sent_below my_forward my_gradients my_step",
    ),
    Lesson("02_layers", "Layers", "softplus scale"),
    Lesson(
        "03_synthetic_gradients",
        "Synthetic gradients",
        "forward_and_guess message fitted train_batch",
    ),
    Lesson("04_generator_context", "What the generator sees", "cosine best_guess"),
    Lesson("05_update_orderings", "Update orderings", "greatest_speed_up ordering"),
    Lesson("06_playground", "The playground", "epochs_to_reach"),
    Lesson("07_depth", "Depth and asynchrony", "sparse_turn reached"),
    Lesson("08_through_time", "Through time", "back_one_step target_of_the_guess"),
    Lesson("09_convolutions", "Convolutions", "kernel_gradient with_labels"),
    Lesson("10_any_graph", "Any graph", "messages_down limit"),
    Lesson("11_many_machines", "Many machines", "sweep_speed_up break_even"),
    Lesson("12_a_fair_race", "A fair race", "pipeline_speed most_batches"),
    Lesson("13_good_enough", "When is a guess good enough?", "layer_above corrected"),
    Lesson("14_does_a_layer_have_to_wait", "Does a layer have to wait?", "decisions"),
)
"""All notebooks in their order.  It is written down, so that nothing has to be read to count."""

EXERCISES = {exercise: lesson for lesson in COURSE for exercise in lesson.exercises}
"""The lesson of each exercise: no two lessons have one of the same name."""
