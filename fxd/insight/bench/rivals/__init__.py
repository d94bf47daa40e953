"""What others offer for the same work, each behind the interface of an engine, so that all are timed alike.

None of these imports fxd's own kernels: a process that measures a rival's memory must not hold Numba too.
"""

DC_BLOCK_HZ = 20
"""The corner of `fxd.engines.oversampling`'s DC blocker."""
