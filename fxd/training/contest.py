"""Two models before the same judge: they play all files, and the rule decides (`fxd.training.promotion`)."""

import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from fxd.aliasing import loudest_alias_db
from fxd.engines.engine import render
from fxd.engines.tcn import MODEL_SAMPLE_RATE, Tcn, TcnModel
from fxd.metrics import ErrorSums
from fxd.spectral import MrStft
from fxd.training.promotion import Contender, Decision, FileScore, Night, decide
from fxd.training.trainer import ValidationPair

SINES_SECONDS = 8
"""Of sound in which aliases are looked for."""

STALLED = 2.0
"""Times what a file takes usually."""

MorePairs = Callable[[frozenset[str]], Sequence[ValidationPair]]


@dataclass(frozen=True)
class Player:
    """A model that is judged, and what it may have heard."""

    network: TcnModel
    trained_on: frozenset[str]


Judge = Callable[[Player, Sequence[ValidationPair]], Contender]
"""Has a model play these pairs."""


@dataclass(frozen=True)
class Material:
    """What models are judged by."""

    pairs: Sequence[ValidationPair]
    sample_rates: Mapping[str, int]
    """Of the files, by content hash."""
    more: MorePairs
    """Clips of fxd's own without those of these content hashes: for homes with too few files."""


def contest(
    challenger: Player, champion: Player, material: Material, night: Night, judge: Judge
) -> tuple[Contender, Decision]:
    """The challenger with its scores, and what becomes of it."""
    pairs, night = judges(challenger.trained_on | champion.trained_on, material, night)
    new, old = judge(challenger, pairs), judge(champion, pairs)
    return new, decide(new, old, night=night)


def judges(heard: Set[str], material: Material, night: Night) -> tuple[list[ValidationPair], Night]:
    """The files that two models are judged by which may have heard so much, and the night that knows of them.

    Where the files that neither trained on are too few for the test, fxd's own clips are added.
    """
    pairs = list(material.pairs)
    if sum(pair.content_sha256 not in heard for pair in pairs) >= night.fewest_files:
        return pairs, night
    extra = material.more(frozenset({*heard, *(pair.content_sha256 for pair in pairs)}))
    return pairs + list(extra), replace(night, factory=frozenset(pair.content_sha256 for pair in extra))


class Audition:
    """One model plays all files, in one sitting or in several."""

    def __init__(
        self,
        player: Player,
        pairs: Sequence[ValidationPair],
        sample_rates: Mapping[str, int],
        check: Callable[[], None],
    ) -> None:
        """`check` is called before every file and the sines; it may raise, and the audition can go on later."""
        self.player = player
        self.pairs = pairs
        self.sample_rates = sample_rates
        self.check = check
        self.scores: list[FileScore] = []
        self.alias_db: float | None = None
        self.seconds: list[float] = []
        """That each of those took which were played, the sines last."""
        self.ends = np.cumsum([*(len(pair.dry) for pair in pairs), SINES_SECONDS * MODEL_SAMPLE_RATE])
        """The files one after the other, and the sines in which aliases are looked for after them, in frames."""

    @property
    def share(self) -> float:
        """Of all the sound, what was played."""
        if self.alias_db is not None:
            return 1.0
        return float(self.ends[len(self.scores) - 1] / self.ends[-1]) if self.scores else 0.0

    @property
    def pace(self) -> float:
        """What all would take, in seconds, as far as it looks; 0 where nothing was played yet.

        Of a file during which the machine stalled no more counts than twice what is usual: that will not happen
        with every other. What is usual is so for half of the sound, not of the files: a clip of a millisecond
        takes ten times as long as its share.
        """
        if not self.seconds:
            return 0.0
        shares = np.diff(self.ends, prepend=0)[: len(self.seconds)] / self.ends[-1]
        paces = np.array(self.seconds) / shares
        order = np.argsort(paces)
        half = np.searchsorted(np.cumsum(shares[order]), shares.sum() / 2)
        usual = paces[order][min(int(half), len(paces) - 1)]
        return float(np.minimum(self.seconds, STALLED * usual * shares).sum() / shares.sum())

    def play(self, share: float) -> None:
        """Go on until so much is done, by whole files."""
        network = self.player.network
        while self.share < share:
            self.check()
            began = time.monotonic()
            if len(self.scores) < len(self.pairs):
                pair = self.pairs[len(self.scores)]
                self.scores.append(score(network, pair, self.sample_rates.get(pair.content_sha256, 0)))
            else:
                self.alias_db = loudest_alias_db(Tcn(network))
            self.seconds.append(time.monotonic() - began)

    def result(self) -> Contender:
        """The model with all that the rule wants to know of it, once all is played."""
        self.play(1.0)
        network = self.player.network
        assert self.alias_db is not None
        return Contender(
            network.id,
            tuple(self.scores),
            self.player.trained_on,
            self.alias_db,
            network.architecture.multiply_adds,
        )


def score(network: TcnModel, pair: ValidationPair, sample_rate: int = 0) -> FileScore:
    """How a network does on one file, through the engine that serves."""
    wet = render(Tcn(network), pair.dry[None], network.sample_rate)
    target = np.ascontiguousarray(pair.wet[None])
    sums, spectra = ErrorSums(), MrStft(1)
    sums.add(target, wet)
    if np.isfinite(sums.error_energy):
        spectra.update(target, wet)
    seconds = wet.shape[1] / network.sample_rate
    return FileScore(
        pair.content_sha256, seconds, sums.error_energy, sums.target_energy, spectra.result(), sample_rate
    )
