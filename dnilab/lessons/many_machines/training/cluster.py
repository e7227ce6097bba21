"""A Dask cluster to work on: one on this machine for as long as it is needed, or one that runs.

Dask's scheduler, processes and messages are used as they are; this module only chooses how they
are set up: on loopback, without a dashboard, one thread in each process.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dnilab.checks import whole_number

PATIENCE = 30.0  # seconds until a cluster that does not answer is given up
# One product, one thread: the processes share the cores already.  A name for each BLAS.
_BLASES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def dask() -> Any:
    """The package ``distributed``, loaded when it is needed: it is an extra.

    Raises ModuleNotFoundError, with what to install, if it is not there.
    """
    try:
        import distributed
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "Dask is not installed here; this part of the course needs it. In the course's folder: "
            'pip install -e ".[cluster]"',
            name=missing.name,
        ) from missing
    return distributed


def _told_otherwise(record: logging.LogRecord) -> bool:
    return "Actor.__getattr__" not in record.getMessage()


def hush() -> None:
    """Let Dask not log that a call to a lost actor failed: whoever waits for it is told anyway.

    Dask waits there, unasked, for a future that may be released meanwhile.
    """
    logging.getLogger("tornado.application").addFilter(_told_otherwise)  # once, however often


@contextmanager
def cluster(address: str | None = None, workers: int | None = None) -> Iterator[Any]:
    """A Dask client, for as long as the block lasts.

    ``address``: of the scheduler of a cluster that runs, as "tcp://10.0.0.7:8786"; it goes on
    running afterwards.  None starts one on this machine, on loopback only: ``workers`` processes
    (None: one a core) with one thread each, all ended afterwards.  With an address, ``workers``
    is how many have to be there before the block begins (None: one).

    Raises ModuleNotFoundError if Dask is not installed, ValueError for an argument out of range,
    OSError if nobody answers at the address, and TimeoutError if too few workers come.
    """
    if address is not None and not isinstance(address, str):
        raise ValueError(
            f"address is {address!r}; it accepts None or the address of a scheduler, "
            "as 'tcp://10.0.0.7:8786'"
        )
    if workers is not None:
        workers = whole_number("workers", workers, 1)
    distributed = dask()
    if address is not None:
        with distributed.Client(address, timeout=PATIENCE, set_as_default=False) as client:
            client.wait_for_workers(workers or 1, timeout=PATIENCE)
            yield client
        return
    # Nobody looks at Dask's profile, and it reads the frames of threads while they run: without the
    # global lock that may end Python 3.13 (github.com/python/cpython/issues/152355).
    with distributed.dask.config.set({"distributed.worker.profile.enabled": False}):
        # No limit of memory: Dask's own would stop or kill a process for what others have taken.
        local = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # What little of it Dask can't do without listens on any free port: no clash on 8787.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=None,
            env=dict.fromkeys(_BLASES, "1"),
            silence_logs=logging.ERROR,  # a process that is lost is told by an exception
        )
    with local, distributed.Client(local, set_as_default=False, direct_to_workers=True) as client:
        yield client
