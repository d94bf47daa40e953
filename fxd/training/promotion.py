"""Whether a challenger becomes the champion: both are judged on the same files, and the difference decides.

Each model processes each validation file with the engine that will serve, and its error is compared with that
of the other one on the same file: files differ by tens of dB from one another, two models on one file by a few,
and only the difference says which is better. A file that either model trained on is left out.

The challenger is promoted where the bootstrap interval of its median gain lies above zero, where chance would
hardly have done the same (how hardly depends on the night: `fxd.training.evidence`), and where no guard is hurt
(`fxd.training.guards`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fxd.metrics import decibels
from fxd.training.evidence import bootstrap_interval, chance, fewest_files, level
from fxd.training.guards import Guard, guard_aliases, guard_cost, guard_files

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
    mrstft: float = float("nan")
    """nan where the file is too short for it."""
    sample_rate: int = 0
    """Of the file; 0 where nobody knows."""

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
    alias_db: float = float("nan")
    """The loudest of its aliases on sines (`fxd.aliasing`)."""
    multiply_adds: int = 0
    """What a frame costs."""


@dataclass(frozen=True)
class Night:
    """What a decision has to know of its day."""

    number: int = 1
    """Of decisions since the last promotion, this one included."""
    again: bool = False
    """Whether there was one on the same day."""
    asked_for: int = 0
    """Multiply-adds of the preset in the settings."""
    factory: frozenset[str] = frozenset()
    """Content hashes of the clips of fxd's own among the files."""

    @property
    def fewest_files(self) -> int:
        """With how many its test can be passed at all."""
        return fewest_files(self.number, self.again)


@dataclass(frozen=True)
class Comparison:
    """Both models on one file."""

    content_sha256: str
    champion_esr_db: float
    challenger_esr_db: float
    champion_mrstft: float = float("nan")
    challenger_mrstft: float = float("nan")
    sample_rate: int = 0

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
    night: int | None = None
    chance: float | None = None
    """How likely equals would have gains such as these."""
    level: float | None = None
    """How likely they may be at most, in this night."""
    fewest_files: int | None = None
    """With how many files the test can be passed at all."""
    factory_files: int = 0
    """How many of the files are clips of fxd's own."""
    guards: tuple[Guard, ...] = ()


def esr_db(scores: Sequence[FileScore]) -> float:
    """Error-to-signal ratio over all files: total error energy over total target energy, in dB.

    nan for none, and where a network gave nan; inf where it gave inf.
    """
    target = sum(one.target_energy for one in scores)
    if not target:
        return float("nan")
    error_db = decibels(sum(one.error_energy for one in scores) / target)
    return error_db if np.isnan(error_db) else max(PERFECT_DB, error_db)


def decide(
    challenger: Contender,
    champion: Contender | None,
    absence: str = "no model served yet",
    night: Night = Night(),
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
    fewest = night.fewest_files
    if not files:
        reason = "there is no validation file that neither model trained on, so nothing can be compared"
        return Decision(False, reason, champion.id, night=night.number, fewest_files=fewest)
    guards = [*guard_files(files)]
    if np.isfinite([champion.alias_db, challenger.alias_db]).all():
        gain_db = float(np.median([file.gain_db for file in files]))
        guards.append(guard_aliases(champion.alias_db, challenger.alias_db, gain_db))
    guards.append(guard_cost(champion.multiply_adds, challenger.multiply_adds, night.asked_for))
    measured = Decision(
        False,
        "",
        champion.id,
        files,
        night=night.number,
        level=level(night.number, night.again),
        fewest_files=fewest,
        factory_files=sum(file.content_sha256 in night.factory for file in files),
        guards=tuple(guards),
    )
    return weighed(measured)


def decide_alone(challenger: Contender, absence: str) -> Decision:
    """Any network that is better than silence, whose error is 0 dB, is better than none."""
    scores = [one for one in challenger.scores if one.content_sha256 not in challenger.trained_on]
    if not scores:
        return Decision(False, "there is no validation file to judge the new model by")
    error_db = esr_db(scores)
    error = f"its error over {counted(len(scores))} is {error_db:.1f} dB"
    if error_db < 0:
        return Decision(True, f"{absence}, and {error}")
    return Decision(False, f"{absence}, but {error}, no better than silence")


def compare(challenger: Contender, champion: Contender) -> tuple[Comparison, ...]:
    """Both on every file that neither trained on. A silent one says nothing, its error is nan."""
    heard = challenger.trained_on | champion.trained_on
    before = {one.content_sha256: one for one in champion.scores}
    pairs = [
        (before[one.content_sha256], one)
        for one in challenger.scores
        if one.content_sha256 in before and one.content_sha256 not in heard and one.target_energy
    ]
    return tuple(
        Comparison(new.content_sha256, old.esr_db, new.esr_db, old.mrstft, new.mrstft, new.sample_rate)
        for old, new in pairs
    )


def weighed(measured: Decision) -> Decision:
    """The rule at the top of this file, on a decision that has its files and guards."""
    gains = np.array([file.gain_db for file in measured.files])
    decision = replace(
        measured,
        median_gain_db=float(np.median(gains)),
        interval_db=bootstrap_interval(gains),
        chance=chance(gains),
    )
    promoted = is_better(decision) and all(guard.holds for guard in decision.guards)
    return replace(decision, promoted=promoted, reason=told(decision))


def is_better(decision: Decision) -> bool:
    """Whether the typical file became better, and that is more than luck."""
    assert decision.interval_db is not None
    assert decision.chance is not None
    assert decision.level is not None
    assert decision.median_gain_db is not None
    gained = decision.median_gain_db >= LEAST_GAIN_DB and decision.interval_db[0] > 0
    return gained and decision.chance <= decision.level


def told(decision: Decision) -> str:
    """A decision between two models as one sentence; of a model that is not better, only by how much."""
    assert decision.median_gain_db is not None
    assert decision.interval_db is not None
    assert decision.chance is not None
    assert decision.level is not None
    assert decision.fewest_files is not None
    median, count = decision.median_gain_db, len(decision.files)
    change = f"{abs(median):.2f} dB {'better' if median > 0 else 'worse'} than {decision.champion}"
    if abs(median) < LEAST_GAIN_DB:
        change = f"no different from {decision.champion}"
    where = f"in the median of {counted(count)}"
    if decision.factory_files:
        where += f", {decision.factory_files} of them fxd's own clips as yours are too few"
    interval = f"95 % interval {decision.interval_db[0]:+.2f} to {decision.interval_db[1]:+.2f}"
    doubt = ""
    if median < LEAST_GAIN_DB:
        if median <= -LEAST_GAIN_DB and decision.interval_db[1] >= 0:
            doubt = ", which could be chance"
        return f"the new model is {change} {where}{doubt} ({interval})"
    if count < decision.fewest_files:
        doubt = f", too few to tell: the test of night {decision.night} needs {decision.fewest_files}"
    elif not is_better(decision):
        doubt = ", which could be chance"
    hurt = [str(guard) for guard in decision.guards if not guard.holds]
    refused = f", but forbidden by its {' and its '.join(hurt)}" if hurt else ""
    return (
        f"the new model is {change} {where}{doubt}{refused} ({interval}; "
        f"chance alone does this {odds(decision.chance)}, night {decision.night} asks for "
        f"{odds(decision.level)})"
    )


def odds(share: float) -> str:
    """A small probability in words.

    >>> odds(0.0039), odds(0.9), odds(0.0)
    ('once in 256', 'once in 1.1', 'hardly ever')
    """
    if share < 1e-9:
        return "hardly ever"
    return f"once in {1 / share:,.0f}" if share < 0.1 else f"once in {1 / share:.1f}"


def counted(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"
