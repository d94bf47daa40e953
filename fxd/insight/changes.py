"""From which value on a series is another one, with false discoveries under control over many series.

E-divisive means: a series is cut where both sides differ most (`fxd.insight.energy` says how that is
measured), and each side is cut again, as long as chance would hardly cut as well. Then every cut moves to
where it is best between its neighbours, and cuts between levels that are closer than a floor, true as they
may be, are given up.

*Many series*: looked at one by one at 1 %, one in a hundred that never changed would be said to have changed.
The first cuts pass by the rule of Benjamini and Hochberg, which expects at most FALSE_DISCOVERIES of those
that pass to be false; further cuts of these series are tested at the level that the first ones came to
(Benjamini and Bogomolov, "Selective inference on multiple families of hypotheses", 2014).

*Long series*: more than POINTS values are looked at as medians of neighbours, which costs the sight of levels
of less than SEGMENT of these; where they change is then looked for among the values themselves.

*Outliers* are values far from the median of their neighbours (Hampel's filter). A shorter spell than a
segment is outliers, never a change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fxd.bootstrap import resampled_medians
from fxd.insight.energy import NORMAL_MAD, OUTLIER, SEGMENT, Values, best_cut, finest_cut, resemblance

FALSE_DISCOVERIES = 0.01
POINTS = 10_000
REACH = 1_000
"""So many values on either side say where exactly a cut is."""
OUTLIER_SHARE = 0.1


@dataclass(frozen=True)
class Cut:
    """From value number `index` on the series is another one."""

    index: int
    chance: float
    """How likely the best cut of a series without any change would be as good."""


@dataclass(frozen=True)
class Difference:
    """The medians on either side of a cut, and the 95 % interval of `after` - `before`."""

    before: float
    after: float
    low: float
    high: float


def find_changes(series: Sequence[Values], floors: Sequence[float]) -> list[list[Cut]]:
    """The cuts of each series, in order. `floors` are the least differences of medians that matter.

    A series is finite values [n] in the order of time. What is found in one depends on the others only in how
    sure one has to be. The same series give the same cuts.
    """
    looks = [Look(values, floor) for values, floor in zip(series, floors, strict=True)]
    asked = FALSE_DISCOVERIES / max(1, sum(look.is_long_enough for look in looks))
    first = [look.cut_between(0, len(look.values), asked) for look in looks]
    level = passing_level([cut.chance for cut in first if cut is not None])
    return [look.settled(look.divided(cut, level)) for look, cut in zip(looks, first, strict=True)]


def passing_level(chances: Sequence[float]) -> float:
    """The level at which tests pass, by Benjamini and Hochberg, "Controlling the false discovery rate", 1995.

    >>> passing_level([0.5, 0.001, 0.004, 0.3])
    0.005
    """
    ranked = enumerate(sorted(chances), 1)
    passed = max((rank for rank, one in ranked if one <= FALSE_DISCOVERIES * rank / len(chances)), default=0)
    return FALSE_DISCOVERIES * passed / max(1, len(chances))


class Look:
    """One series under examination, as medians of `pool` neighbours where it is long."""

    def __init__(self, raw: Values, floor: float) -> None:
        self.places = np.delete(np.arange(len(raw)), outliers(raw, floor))
        """Where each value of `self.raw` stood."""
        self.raw, self.floor = raw[self.places], floor
        self.pool = -(-len(self.raw) // POINTS) or 1
        self.skipped = len(self.raw) % self.pool
        """At the beginning: the newest values are what matters."""
        self.values = np.median(self.raw[self.skipped :].reshape(-1, self.pool), axis=1)
        self.block = 1
        """How many neighbours resemble each other; a part of the series may be too short to tell."""
        self.is_long_enough = len(self.values) >= 2 * SEGMENT

    def cut_between(self, start: int, end: int, asked: float) -> Cut | None:
        """The best cut there; None where no two segments fit in."""
        if end - start < 2 * SEGMENT:
            return None
        found, chance = best_cut(self.values[start:end], self.floor, asked, self.block)
        self.block = found.block if end - start == len(self.values) else self.block
        return Cut(start + found.cut, chance)

    def divided(self, cut: Cut | None, level: float) -> dict[int, float]:
        """Chances by index: of this first cut of the whole and of the further ones, as far as they pass."""
        passed: dict[int, float] = {}
        waiting = [(0, len(self.values), cut, 0.0)]
        while waiting:
            start, end, cut, before = waiting.pop()
            if cut is None or cut.chance > level:
                continue
            # No surer than the cut without which it would not have been looked for.
            passed[cut.index] = max(cut.chance, before)
            for left, right in ((start, cut.index), (cut.index, end)):
                waiting.append((left, right, self.cut_between(left, right, level), passed[cut.index]))
        return passed

    def settled(self, passed: dict[int, float]) -> list[Cut]:
        """The cuts of the series, each where it is best, and between levels that are apart."""
        cuts = [Cut(self.skipped + index * self.pool, passed[index]) for index in sorted(passed)]
        # Giving one up moves its neighbours only: of hundreds, as a ramp has, all others stay where they were.
        moved = cache(self.moved)
        while cuts:
            bounds = [0, *(cut.index for cut in cuts), len(self.raw)]
            for i in range(len(cuts)):
                bounds[i + 1] = moved(*bounds[i : i + 3])
            cuts = [Cut(index, cut.chance) for index, cut in zip(bounds[1:], cuts, strict=False)]
            medians = [float(np.median(self.raw[a:b])) for a, b in pairwise(bounds)]
            steps = np.abs(np.diff(medians))
            if steps.min() >= self.floor:
                break
            del cuts[int(steps.argmin())]
        return [Cut(int(self.places[cut.index]), cut.chance) for cut in cuts]

    def moved(self, before: int, cut: int, after: int) -> int:
        """Where the cut is best between the two."""
        reach = max(REACH, 2 * SEGMENT * self.pool)
        start, end = max(before, cut - reach), min(after, cut + reach)
        return start + finest_cut(self.raw[start:end], self.floor) if end - start >= 2 * SEGMENT else cut


def difference(before: Values, after: Values) -> Difference:
    """What the levels on either side of a cut are, and how far apart, by the bootstrap of both medians."""
    low, high = np.percentile(resampled(after, 1) - resampled(before, 2), (2.5, 97.5)).tolist()
    return Difference(float(np.median(before)), float(np.median(after)), low, high)


def resampled(values: Values, seed: int) -> Values:
    """Medians of resamples; values that resemble their neighbours count as one a block."""
    count = max(2, len(values) // resemblance(values))
    ordered = (
        np.sort(values) if count == len(values) else np.quantile(values, (np.arange(count) + 0.5) / count)
    )
    return resampled_medians(ordered, seed)


def outliers(values: Values, floor: float) -> npt.NDArray[np.intp]:
    """The numbers of the values that are far from the median of their neighbours, for noise and floor.

    The neighbours are 19 values, SEGMENT - 1 on either side; at the ends, the last 19. So the newest are
    outliers until there is a segment of them:

        1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 5 5 5 5      outliers
        1 1 1 1 1 1 1 1 1 5 5 5 5 5 5 5 5 5 5      a new level

    Where a segment of them and more than OUTLIER_SHARE would be, they are no exceptions: there are none.
    """
    width = 2 * SEGMENT - 1
    if len(values) < width:
        return np.array([], np.intp)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, width), axis=1)
    distance = np.abs(values - np.pad(medians, SEGMENT - 1, mode="edge"))
    found = np.flatnonzero(distance > max(OUTLIER * NORMAL_MAD * float(np.median(distance)), floor))
    return found if len(found) <= max(SEGMENT - 1, OUTLIER_SHARE * len(values)) else found[:0]
