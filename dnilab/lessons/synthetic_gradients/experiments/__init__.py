"""What a context could tell, where training stands still, and what a guess is worth."""

from dnilab.lessons.synthetic_gradients.experiments.explained import (
    Story,
    best_linear_guess,
    explained_share,
    explained_while_training,
)
