"""Data: what the networks of the course learn from.  ``(rng, n) -> Dataset``."""

from dnilab.data.addition import binary_addition
from dnilab.data.dataset import Dataset, batches
from dnilab.data.images import digits, mnist
from dnilab.doors import open_doors

open_doors(__name__)
