"""Whether a challenger becomes the champion: both are judged on the same files, and the difference decides.

Each model processes each validation file with the engine that will serve, and its error is compared with that
of the other one on the same file: files differ by tens of dB from one another, two models on one file by a few,
and only the difference says which is better. A file that either model trained on is left out.

The challenger is promoted where the median of its gains is above zero beyond doubt, that is with the whole 95 %
interval of the bootstrap, and its worst file is at most 1 dB worse than the champion's. Of fewer than six files
the bootstrap knows too little: with five and gains that are chance alone, all are positive in one case of 32;
so there every single file must have become better.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fxd.engines.engine import render
from fxd.engines.tcn import Tcn, TcnModel
from fxd.metrics import ErrorSums, decibels
from fxd.training.trainer import ValidationPair

FEWEST_FOR_BOOTSTRAP = 6
RESAMPLES = 10_000
WORST_FILE_MARGIN_DB = 1.0
LEAST_GAIN_DB = 0.005
"""What rounds to 0.00 is called no difference."""
PERFECT_DB = -150.0
"""Float32 cannot tell anything better from perfect; a gain of infinitely many dB would be no number."""


@dataclass(frozen=True)
class FileScore:
    """How a model did on one validation file."""

    content_sha256: str
    seconds: float
    error_energy: float
    """nan or inf where the network gave such values."""
    target_energy: float

    @property
    def esr_db(self) -> float:
        return esr_db([self])


@dataclass(frozen=True)
class Contender:
    """A model before its judge."""

    id: str
    scores: tuple[FileScore, ...]
    trained_on: frozenset[str]
    """Content hashes of all that it may have heard."""


@dataclass(frozen=True)
class Comparison:
    """Both models on one file."""

    content_sha256: str
    champion_esr_db: float
    challenger_esr_db: float

    @property
    def gain_db(self) -> float:
        return self.champion_esr_db - self.challenger_esr_db


@dataclass(frozen=True)
class Decision:
    """What became of a challenger, and why."""

    promoted: bool
    reason: str
    """One plain sentence with the figures that decided."""
    champion: str | None = None
    """The model that it was compared with."""
    files: tuple[Comparison, ...] = ()
    median_gain_db: float | None = None
    interval_db: tuple[float, float] | None = None
    """95 % interval of the median gain."""


def score(network: TcnModel, pair: ValidationPair) -> FileScore:
    """How a network does on one file, through the engine that serves."""
    wet = render(Tcn(network), pair.dry[None], network.sample_rate)[0]
    sums = ErrorSums()
    sums.add(pair.wet, wet)
    seconds = len(wet) / network.sample_rate
    return FileScore(pair.content_sha256, seconds, sums.error_energy, sums.target_energy)


def esr_db(scores: Sequence[FileScore]) -> float:
    """Error-to-signal ratio over all files: total error energy over total target energy, in dB; nan for none."""
    target = sum(one.target_energy for one in scores)
    if not target:
        return float("nan")
    return max(PERFECT_DB, decibels(sum(one.error_energy for one in scores) / target))


def decide(
    challenger: Contender, champion: Contender | None, absence: str = "no model served yet"
) -> Decision:
    """Whether the challenger is promoted; `absence` says why there is no champion to compare it with."""
    if not np.isfinite([one.error_energy for one in challenger.scores]).all():
        return Decision(False, "the new model gives nan or inf")
    if champion is not None and not np.isfinite([one.error_energy for one in champion.scores]).all():
        absence = f"{champion.id} gives nan or inf"
        champion = None
    if champion is None:
        return decide_alone(challenger, absence)
    files = compare(challenger, champion)
    if not files:
        reason = "there is no validation file that neither model trained on, so nothing can be compared"
        return Decision(False, reason, champion.id)
    return decide_between(champion.id, files)


def decide_alone(challenger: Contender, absence: str) -> Decision:
    """Any network that is better than silence, whose error is 0 dB, is better than none."""
    scores = [one for one in challenger.scores if one.content_sha256 not in challenger.trained_on]
    if not scores:
        return Decision(False, "there is no validation file to judge the new model by")
    level = esr_db(scores)
    error = f"its error over {counted(len(scores))} is {level:.1f} dB"
    if level < 0:
        return Decision(True, f"{absence}, and {error}")
    return Decision(False, f"{absence}, but {error}, no better than silence")


def compare(challenger: Contender, champion: Contender) -> tuple[Comparison, ...]:
    """Both on every file that neither trained on."""
    heard = challenger.trained_on | champion.trained_on
    before = {one.content_sha256: one.esr_db for one in champion.scores}
    return tuple(
        Comparison(one.content_sha256, before[one.content_sha256], one.esr_db)
        for one in challenger.scores
        if one.content_sha256 in before and one.content_sha256 not in heard
    )


def decide_between(champion: str, files: tuple[Comparison, ...]) -> Decision:
    """The rule at the top of this file."""
    gains = np.array([file.gain_db for file in files])
    median = float(np.median(gains))
    interval = bootstrap_interval(gains)
    worst_before = max(file.champion_esr_db for file in files)
    worst_after = max(file.challenger_esr_db for file in files)
    few = len(files) < FEWEST_FOR_BOOTSTRAP
    clear = bool(gains.min() > 0) if few else interval[0] > 0
    guarded = worst_after <= worst_before + WORST_FILE_MARGIN_DB

    change = f"{abs(median):.2f} dB {'better' if median > 0 else 'worse'} than {champion}"
    if abs(median) < LEAST_GAIN_DB:
        change = f"no different from {champion}"
    chance = "" if clear or median <= 0 else ", which could be chance"
    doubt = "95 % interval {:+.2f} to {:+.2f}".format(*interval)
    if few:
        doubt = f"{int((gains > 0).sum())} of {len(files)} better"
    worst = f"worst file {worst_after:.1f} dB, before {worst_before:.1f}"
    too_bad = "" if guarded else f", more than {WORST_FILE_MARGIN_DB:g} dB worse"
    where = f"in the median of {counted(len(files))}"
    reason = f"the new model is {change} {where}{chance} ({doubt}; {worst}{too_bad})"
    return Decision(clear and guarded, reason, champion, files, median, interval)


def bootstrap_interval(gains: np.typing.NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the median, from resampling with a fixed seed.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    picks = np.random.default_rng(0).integers(len(gains), size=(RESAMPLES, len(gains)))
    low, high = np.quantile(np.median(gains[picks], axis=1), [0.025, 0.975])
    return float(low), float(high)


def counted(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"
