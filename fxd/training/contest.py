"""Two models before the same judge: they play all files, and the rule decides (`fxd.training.promotion`)."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from fxd.aliasing import loudest_alias_db
from fxd.engines.engine import render
from fxd.engines.tcn import Tcn, TcnModel
from fxd.metrics import ErrorSums
from fxd.spectral import MrStft
from fxd.training.promotion import Contender, Decision, FileScore, Night, decide
from fxd.training.trainer import ValidationPair

MorePairs = Callable[[Set[str]], Sequence[ValidationPair]]


@dataclass(frozen=True)
class Player:
    """A model that is judged, and what it may have heard."""

    network: TcnModel
    trained_on: frozenset[str]


@dataclass(frozen=True)
class Material:
    """What models are judged by."""

    pairs: Sequence[ValidationPair]
    sample_rates: Mapping[str, int]
    """Of the files, by content hash."""
    more: MorePairs
    """Clips of fxd's own without those of these content hashes: for homes with too few files."""


def contest(
    challenger: Player, champion: Player, material: Material, night: Night, check: Callable[[], None]
) -> tuple[Contender, Decision]:
    """The challenger with its scores, and what becomes of it. `check` is called before every file; it may raise.

    Where the files that neither trained on are too few for the test, fxd's own clips are added.
    """
    heard = challenger.trained_on | champion.trained_on
    pairs = list(material.pairs)
    factory: frozenset[str] = frozenset()
    if sum(pair.content_sha256 not in heard for pair in pairs) < night.fewest_files:
        own = {pair.content_sha256 for pair in pairs}
        extra = material.more(heard | own)
        factory = frozenset(pair.content_sha256 for pair in extra)
        pairs += extra
    new, old = (judged(one, pairs, material.sample_rates, check) for one in (challenger, champion))
    return new, decide(new, old, night=replace(night, factory=factory))


def judged(
    player: Player,
    pairs: Sequence[ValidationPair],
    sample_rates: Mapping[str, int],
    check: Callable[[], None],
) -> Contender:
    """A model with all that the rule wants to know of it."""
    scores = []
    for pair in pairs:
        check()
        scores.append(score(player.network, pair, sample_rates.get(pair.content_sha256, 0)))
    check()
    network = player.network
    return Contender(
        network.id,
        tuple(scores),
        player.trained_on,
        loudest_alias_db(Tcn(network)),
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
