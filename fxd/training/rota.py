"""In which order, and how often, a set that is too large to be heard as a whole is in the pool of a training.

The policy, in shares of the time; of what is drawn from the pool, `fxd.training.mixture` prefers what is loud:

- *Rare and frequent, loud and quiet*: each kind of sound (`fxd.training.kinds`; level and band energies tell
  them apart) gets its share in proportion to the square root of its length. A kind of which there is a hundred
  times as much is heard ten times as much.
- *Long and short*: within a kind, a file counts by its length, but no more than ten minutes of it; within a file
  all parts are equal.
- *New and old*: what was not yet in the set when the model that the training starts from was made gets a quarter
  of the time, if it would get less.
- Nothing is in the pool twice at a time: a share is cut where it would be.

Parts come in turn, not by chance: each returns after an interval that follows from its share, and only where it
begins is drawn, by the seed. So shares hold over minutes already, and a part is not heard again before others
had their turn:

    share 2/4   a . a . a . a . a
    share 1/4   . b . . . b . . .
    share 1/4   . . . c . . . c .
"""

import heapq
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fxd.store.records import Example
from fxd.training.kinds import kinds
from fxd.training.pairs import Part

PART_SECONDS = 20
MOST_OF_FILE_SECONDS = 600.0
NEW_SHARE = 0.25
GOLDEN = (5**0.5 - 1) / 2

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Turn:
    """A part on its way through the pool."""

    start: float
    """Where it stands in the endless row of parts, in seconds of mono sound."""
    example: Example
    part: Part


def mono_seconds(example: Example) -> float:
    """The length of a sound, its channels one after the other."""
    return example.frames * example.channels / example.sample_rate


def shares(examples: Sequence[Example], heard: Set[str], pool_seconds: float) -> Floats:
    """The share of the time of each sound, as the policy above has it; they sum up to 1.

    `heard` are the content hashes of what the model knows; together the sounds are longer than the pool.
    """
    seconds = np.array([mono_seconds(example) for example in examples])
    lengths = np.minimum(seconds, MOST_OF_FILE_SECONDS)
    kind = kinds(examples)
    share: Floats = lengths / np.sqrt(np.bincount(kind, lengths))[kind]
    share /= share.sum()
    new = np.array([example.content_sha256 not in heard for example in examples])
    natural = share[new].sum()
    if 0 < natural < NEW_SHARE:
        share[new] *= NEW_SHARE / natural
        share[~new] *= (1 - NEW_SHARE) / (1 - natural)
    return limited(share, seconds / pool_seconds)


def limited(share: Floats, most: Floats) -> Floats:
    """The shares with none above its limit; what is cut off goes to the others in proportion.

    >>> limited(np.array([0.6, 0.3, 0.1]), np.array([0.4, 0.4, 0.4])).round(2).tolist()
    [0.4, 0.4, 0.2]
    """
    share, free = share.copy(), np.ones(len(share), bool)
    while (over := free & (share > most)).any():
        share[over] = most[over]
        free &= ~over
        if free.any():
            share[free] *= max(0.0, 1 - share[~free].sum()) / share[free].sum()
    result: Floats = share / share.sum()
    return result


def parts_of(example: Example) -> Iterator[Part]:
    """A sound in parts of 20 seconds, the last up to twice as long."""
    count = max(1, example.frames // (example.sample_rate * PART_SECONDS))
    for number in range(count):
        yield Part(number * PART_SECONDS, None if number == count - 1 else (number + 1) * PART_SECONDS)


def rota(examples: Sequence[Example], share: Floats, seed: int) -> Iterator[Turn]:
    """All parts of the sounds in turn, for ever, each sound with its share of the time."""
    parts = [(example, part) for example in examples for part in parts_of(example)]
    counts = np.array([sum(1 for _ in parts_of(example)) for example in examples])
    seconds = np.array([length_of(example, part) for example, part in parts])
    intervals = seconds / np.repeat(share / counts, counts)
    due = intervals * phases(intervals, seed)
    queue = [(float(moment), index) for index, moment in enumerate(due)]
    heapq.heapify(queue)
    start = 0.0
    while True:
        moment, index = queue[0]
        yield Turn(start, *parts[index])
        start += float(seconds[index])
        heapq.heapreplace(queue, (moment + float(intervals[index]), index))


def phases(intervals: Floats, seed: int) -> Floats:
    """At which share of its interval each part has its first turn: drawn, but evenly spread.

    Numbers drawn each by itself would leave shares several percent off for hours. Parts with the same interval,
    which are those of a kind, take consecutive multiples of the golden ratio instead, in an order that is drawn:
    any stretch of these is spread evenly.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(intervals))
    order = drawn[np.argsort(intervals[drawn].round(3), kind="stable")]
    phase = np.empty(len(intervals))
    phase[order] = (rng.random() + GOLDEN * np.arange(len(intervals))) % 1
    return phase


def length_of(example: Example, part: Part) -> float:
    """Of a part, in seconds of mono sound."""
    stop = example.frames / example.sample_rate if part.stop is None else part.stop
    return (stop - part.start) * example.channels
