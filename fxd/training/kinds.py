"""Which sounds of the training set are alike, as takes of the same thing are, by `fxd.sound_profile`."""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from fxd.store.records import Example

ALIKE_DB = 6.0
"""Up to this much may any figure of two profiles differ: a take that was played or recorded a little louder or
brighter is a take of the same thing."""
FIGURES = 5


def kinds(examples: Sequence[Example]) -> npt.NDArray[np.int64]:
    """The kind of each sound, as a number from 0 on.

    A sound is of the kind whose founder is nearest by the figure in which they differ most; where even that one
    is not alike, it founds a kind.
    So no two founders are alike, and any two sounds of a kind are within twice ALIKE_DB. Sounds without a
    profile are one kind.
    """
    founders = np.empty((len(examples), FIGURES))
    count = 0
    known: dict[str, int] = {}
    for example in examples:
        if example.profile in known:
            continue
        figures = np.array(example.profile.split() or ["inf"] * FIGURES, float)
        distances = np.abs(founders[:count] - figures).max(axis=1, initial=0)
        if count and distances.min() <= ALIKE_DB:
            known[example.profile] = int(distances.argmin())
        else:
            founders[count] = figures
            known[example.profile] = count
            count += 1
    return np.array([known[example.profile] for example in examples], np.int64)


def most_redundant_first(examples: Sequence[Example]) -> Iterator[Example]:
    """All sounds in the order in which they can best be spared; `examples` come oldest first.

    It is always the oldest of the kind that takes up most bytes at that moment: kinds are worn down to the size
    of the next smaller ones, and what is rare stays.
    """
    queues: dict[int, deque[Example]] = {}
    for example, kind in zip(examples, kinds(examples), strict=True):
        queues.setdefault(int(kind), deque()).append(example)
    heap = [(-sum(example.bytes for example in queue), kind) for kind, queue in queues.items()]
    heapq.heapify(heap)
    while heap:
        negative_size, kind = heap[0]
        example = queues[kind].popleft()
        yield example
        if queues[kind]:
            heapq.heapreplace(heap, (negative_size + example.bytes, kind))
        else:
            heapq.heappop(heap)
