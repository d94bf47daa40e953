"""What may not become worse, however much the error of the typical file improves.

Each guard compares one figure of the challenger with the champion's, where higher is worse, and names a margin:

    worst file, dB               1 dB: the highest error of any file
    MR-STFT, median ratio        5 %: what is heard, as spectra over several resolutions
    aliases, dB                  3 dB: the loudest of 5 and 8 kHz at 44.1 and 48 kHz; below -80 dB all is well;
                                 or as many dB as the median error gains: a poor champion is nearly linear,
                                 and has few aliases only for that
    multiply-adds a frame        10 %: what it costs on every machine, which a stopwatch only tells of one
    error at each sample rate    1 dB: median over the files of a rate, where it has five or more

A larger network than the champion is no reason to refuse it where [tcn] preset asks for that shape.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np

WORST_FILE_DB = 1.0
MRSTFT_RATIO = 1.05
ALIAS_DB = 3.0
INAUDIBLE_ALIAS_DB = -80.0
COST_RATIO = 1.1
SAMPLE_RATE_DB = 1.0
FEWEST_OF_A_RATE = 5
"""Of fewer files the median is luck: a model that is 1 dB better would fail too often."""


@dataclass(frozen=True)
class Guard:
    """One figure of both models."""

    name: str
    champion: float
    challenger: float
    limit: float
    """What the challenger may have at most."""

    @property
    def holds(self) -> bool:
        # A figure that does not exist for a signal, nan, forbids nothing; errors have been checked for it.
        return not self.challenger > self.limit

    def __str__(self) -> str:
        now, before, limit = map(rounded, (self.challenger, self.champion, self.limit))
        return f"{self.name} {now}, before {before}, at most {limit}"


def rounded(value: float) -> str:
    """To three digits, but whole numbers as such.

    >>> rounded(-36.82), rounded(1.05), rounded(3984)
    ('-36.8', '1.05', '3,984')
    """
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


class Measured(Protocol):
    """What is known of both models on one file."""

    @property
    def sample_rate(self) -> int: ...
    @property
    def champion_esr_db(self) -> float: ...
    @property
    def challenger_esr_db(self) -> float: ...
    @property
    def champion_mrstft(self) -> float: ...
    @property
    def challenger_mrstft(self) -> float: ...


def guard_files(files: Sequence[Measured]) -> list[Guard]:
    """The guards of what both models did on the same files, one or more."""
    worst = max(file.champion_esr_db for file in files)
    worst_after = max(file.challenger_esr_db for file in files)
    guards = [Guard("worst file (dB)", worst, worst_after, worst + WORST_FILE_DB)]
    ratios = [file.challenger_mrstft / file.champion_mrstft for file in files if file.champion_mrstft > 0]
    known = [ratio for ratio in ratios if math.isfinite(ratio)]
    if known:
        guards.append(Guard("MR-STFT (ratio)", 1.0, float(np.median(known)), MRSTFT_RATIO))
    by_rate = sorted(files, key=lambda file: file.sample_rate)
    for sample_rate, group in groupby(by_rate, key=lambda file: file.sample_rate):
        gains = [file.champion_esr_db - file.challenger_esr_db for file in group]
        if sample_rate and len(gains) >= FEWEST_OF_A_RATE:
            loss = -float(np.median(gains))
            guards.append(Guard(f"loss at {sample_rate} Hz (dB)", 0.0, loss, SAMPLE_RATE_DB))
    return guards


def guard_aliases(champion_db: float, challenger_db: float, gain_db: float) -> Guard:
    """The guard of the loudest alias, of models whose median gain is `gain_db`."""
    limit = max(champion_db + max(ALIAS_DB, gain_db), INAUDIBLE_ALIAS_DB)
    return Guard("aliases (dB)", champion_db, challenger_db, limit)


def guard_cost(champion: int, challenger: int, asked_for: int) -> Guard:
    """The guard of multiply-adds a frame; `asked_for` are those of the preset in the settings."""
    return Guard("multiply-adds", champion, challenger, max(COST_RATIO * champion, asked_for))
