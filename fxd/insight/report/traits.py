"""What kind of material the imitation finds hard: the traits of sounds, and the error of those that have one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fxd.insight.report.logbook import Floats, Logbook, Mask
from fxd.insight.report.material import Material
from fxd.insight.report.shift import Shift, unpaired
from fxd.store.measurements import text_key

FIGURES = 5
"""Of a sound's profile, `fxd.sound_profile`: loud, usual, high, middle, low."""
HARDER_DB = 3.0
"""A group whose error is no more than this above the others' is no harder."""
SURE = 99.0
"""Percent of the interval that has to be above 0: several traits are looked at."""
FEWEST = 5
"""Files of a group, and outside of it."""


@dataclass(frozen=True)
class Trait:
    """Files with something in common, and how their error differs from that of all others."""

    name: str
    """As in "sounds with much treble"."""
    files: int
    median_db: float
    shift: Shift


def profiles_of(
    log: Logbook, material: Material, known: Iterable[tuple[str, str]]
) -> npt.NDArray[np.float64]:
    """[files, figures] of the files of `material`, nan where nobody listened; `known`: contents, profiles."""
    contents = log.content[material.rows]
    order = np.argsort(contents, kind="stable")
    sorted_contents = contents[order]
    found = np.full((len(material), FIGURES), np.nan)
    for content, text in known:
        key = text_key(content)
        first, last = np.searchsorted(sorted_contents, key), np.searchsorted(sorted_contents, key, "right")
        if first < last and len(figures := text.split()) == FIGURES:
            found[order[first:last]] = [float(one) for one in figures]
    return found


def traits_of(log: Logbook, material: Material, profiles: Floats) -> dict[str, Mask]:
    """Which files of `material` have which trait, by its name."""
    loud, usual, high, _middle, low = profiles.T
    channels, rate = log.channels[material.rows], log.sample_rate[material.rows]
    with np.errstate(invalid="ignore"):
        found = {
            "sounds with much treble": high > -6,
            "sounds with hardly any treble": high < -20,
            "sounds that are mostly bass": low > -1,
            "quiet sounds": loud < -30,
            "loud sounds": loud > -10,
            "sounds with long pauses or decays": loud - usual > 15,
            "mono files": channels == 1,
            "stereo files": channels == 2,
        }
    found |= {f"files at {one / 1000:g} kHz": rate == one for one in np.unique(rate).tolist()}
    return {name: np.asarray(mask, np.bool_) for name, mask in found.items()}


def hardest(log: Logbook, material: Material, traits: Mapping[str, Mask]) -> Trait | None:
    """The trait whose files are surely harder than the others, by most; None where there is none.

    Judged by files that their model never heard, where these are enough.
    """
    judged = log.new[material.rows]
    if judged.sum() < 2 * FEWEST:
        judged = np.ones(len(material), np.bool_)
    values = log.esr_db[material.rows]
    found = []
    for name, mask in traits.items():
        shift = unpaired(values, judged & ~mask, judged & mask, FEWEST, SURE)
        if shift is not None and shift.low > 0 and shift.difference > HARDER_DB:
            found.append(Trait(name, shift.after, float(np.median(values[judged & mask])), shift))
    return max(found, key=lambda trait: trait.shift.low, default=None)


def words(traits: Mapping[str, Mask], place: int) -> str:
    """The traits of one file that can be heard, in a few words."""
    named = [name for name, mask in traits.items() if mask[place] and name.startswith(HEARABLE)]
    return ", ".join(shortened(name) for name in named)


HEARABLE = ("sounds", "quiet", "loud")


def shortened(name: str) -> str:
    """
    >>> [shortened(name) for name in ("sounds with much treble", "sounds that are mostly bass", "quiet sounds")]
    ['much treble', 'mostly bass', 'quiet']
    """
    for noise in ("sounds with ", "sounds that are ", " sounds"):
        name = name.replace(noise, "")
    return name


def told(trait: Trait) -> str:
    """The trait in a sentence's half."""
    shift = trait.shift
    return (
        f"{trait.name} are hardest: {trait.median_db:.1f} dB in the median of {trait.files:,}, "
        f"{shift.difference:.1f} dB above the others (99 % interval {shift.low:.1f} to {shift.high:.1f})"
    )
