"""The comparisons that the README quotes, each a command that prints its figures.

    python -m benchmarks.convergence --json
    python -m benchmarks.step --json

Times are compared side by side in one process, taking turns, and given as ratios of medians:
absolute times mean nothing on a shared machine.
"""
