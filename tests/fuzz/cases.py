"""The damaged files, each known by a seed and a number."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutations import damaged
from tests.fuzz.originals import originals


@dataclass(frozen=True)
class Case:
    """One damaged file."""

    number: int
    original: str
    changes: tuple[str, ...]
    suffix: str
    data: bytes

    @property
    def name(self) -> str:
        return f"{self.number}{self.suffix}"


def case(seed: int, number: int, container: str = "") -> Case:
    """The file of this number: the originals in turn, or those of one container, damaged as the seed draws."""
    rng = random.Random(f"{seed} {number} {container}")
    chosen = [
        original
        for original in originals()
        if original.name.split()[0] == (container or original.name.split()[0])
    ]
    original = chosen[number % len(chosen)]
    data, changes = damaged(original.data, [other.data for other in originals()], rng)
    return Case(number, original.name, tuple(changes), original.suffix, data)


def cases(seed: int, start: int, stop: int, container: str = "") -> Iterator[Case]:
    return (case(seed, number, container) for number in range(start, stop))


def kept_case(path: Path) -> Case:
    """A file that was kept, or any other, as it is."""
    return Case(0, path.name, (), path.suffix, path.read_bytes())
