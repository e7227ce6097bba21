"""Data: what the networks of the course learn from.  ``(rng, n) -> Dataset``."""

from dnilab.data.addition import binary_addition
from dnilab.data.batches import batches
from dnilab.data.dataset import Dataset
from dnilab.data.digits import digits
from dnilab.data.mnist import mnist
from dnilab.data.own import own_arrays
