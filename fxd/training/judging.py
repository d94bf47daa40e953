"""The judging of a challenge: how long it will take, and who is judged when.

The budget ends with it, so training has to end before; but how fast the machine will be by then, nobody knows at
the beginning. Therefore the champion is judged while the challenger still learns, a few files at a time. What
that takes tells what the challenger will take, and the end of the training is moved accordingly:

    training ... | files 1-3 | training ... | files 4-6 | ... | challenger | records
    at first, kept back for that                              |- estimated -|
    later                                                     |-- as measured --|
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256

import numpy as np
from loguru import logger

from fxd.config import Settings
from fxd.engines.tcn import MODEL_SAMPLE_RATE, Architecture, TcnModel
from fxd.store.records import Model
from fxd.store.store import Store
from fxd.training.champion import Champion, NoChampion, load_champion
from fxd.training.contest import SINES_SECONDS, Audition, Material, Player, contest, judges, score
from fxd.training.course import ValidationPair
from fxd.training.measuring import seconds_of
from fxd.training.preparation import silent_network
from fxd.training.promotion import Contender, Decision, Night, decide
from fxd.training.succession import tonight

FINISH_SECONDS = 0.25
"""For writing the model and its records."""
CLIPS_SECONDS = 90
"""Of sound in the clips that fxd brings along."""
JUDGED_TIMES = 25
"""To measure how long it takes; half a second or so. In a tenth of one a busy machine may stall throughout."""
IN_EARNEST = 1.2
"""What judging takes in all, where the fastest of these measurements is 1."""
TRUST = 0.1
"""In that estimate, as if so much of a judging had been measured in earnest."""
DONE_AT = 0.95
"""Share of the training after which the champion is judged."""


class Stopped(Exception):
    """Somebody asked for an end; the text says how far it had come."""


@dataclass
class Judging:
    """Of one challenger, and of the champion beside it."""

    settings: Settings
    store: Store
    material: Material
    heard: frozenset[str]
    """What the challenger may have heard."""
    architecture: Architecture
    """Of the challenger."""
    should_stop: Callable[[], bool]
    auditions: dict[tuple[str, ...], Audition] = field(default_factory=dict, init=False)
    """Of whoever was judged, or is being, by a hash of its weights and the files."""
    champion: Champion | NoChampion = field(init=False)
    night: Night = field(init=False)
    """As far as anybody knows at the beginning."""
    estimates: tuple[float, float] = field(init=False)
    """What the challenger and the champion will take, in seconds."""
    reserve: float = field(init=False)
    """What is kept back for that at first, in seconds."""
    first_share: float | None = field(default=None, init=False)
    """Of the training that was over at the first look, from which on the champion's files are spread: a training
    that is gone on with begins late."""
    elapsed: float = field(default=0.0, init=False)
    """On the champion so far, in seconds."""

    def __post_init__(self) -> None:
        self.champion = load_champion(self.settings, self.store)
        self.night = tonight(self.settings, self.store)
        pairs = self.material.pairs
        if isinstance(self.champion, NoChampion):
            self.estimates = judging_seconds(self.architecture, pairs), 0.0
        else:
            shapes = (self.architecture, self.champion.network.architecture)
            measured = {one: judging_seconds(one, pairs, self.night.fewest_files) for one in {*shapes}}
            self.estimates = measured[shapes[0]], measured[shapes[1]]
        self.reserve = self.seconds

    @cached_property
    def audition(self) -> Audition | None:
        """Of the champion, where there is one."""
        if isinstance(self.champion, NoChampion):
            return None
        return self.audition_of(player_of(self.champion), self.pairs_beside(self.champion, self.night))

    @property
    def seconds(self) -> float:
        """What is still to be done beside the training will take."""
        own, other = self.estimates
        if self.first_share is None or self.audition is None:
            return FINISH_SECONDS + own + other
        done = self.audition.share
        slower = (TRUST + done * self.audition.pace / other) / (TRUST + done)
        return FINISH_SECONDS + slower * (own + other * (1 - done))

    def judge_champion(self, share: float) -> float:
        """Have some of that done before the challenger is there, as so much of its training is over.

        Returns by how many seconds the training may last longer than planned, for all that is known by now.
        Nothing happens where there is no champion, or somebody asks for a stop.
        """
        began = time.monotonic()
        if self.audition is None:
            return 0.0
        if self.first_share is None:
            self.first_share = share
        try:
            if self.first_share < min(share, DONE_AT):
                self.audition.play(min(1.0, (share - self.first_share) / (DONE_AT - self.first_share)))
        except Stopped:
            logger.debug("the judging of the champion is stopped after {:.0%}", self.audition.share)
        self.elapsed += time.monotonic() - began
        return self.reserve - self.elapsed - self.seconds

    def judge_last(self, network: TcnModel) -> float:
        """The challenger at the end of its training: its error-to-signal ratio over the validation pairs."""
        champion, night = self.champion_now(), tonight(self.settings, self.store)
        own = {pair.content_sha256 for pair in self.material.pairs}
        challenger = self.judge(self.player(network), self.pairs_beside(champion, night))
        scores = [one for one in challenger.scores if one.content_sha256 in own]
        target = sum(one.target_energy for one in scores)
        return sum(one.error_energy for one in scores) / target if target else math.nan

    def decide(self, network: TcnModel) -> tuple[Contender, Decision]:
        """The challenger with its scores, and what becomes of it."""
        # Looked up again: somebody may have promoted another model meanwhile.
        before = self.store.champion()
        champion = self.champion_now()
        if isinstance(champion, NoChampion):
            challenger = self.judge_alone(network)
            decision = decide(challenger, None, champion.reason)
        else:
            challenger, decision = contest(
                self.player(network),
                player_of(champion),
                self.material,
                tonight(self.settings, self.store),
                self.judge,
            )
        return challenger, self.overtaken(decision, before)

    def champion_now(self) -> Champion | NoChampion:
        """Who serves now: as it was read at the beginning, where it is still that one.

        Its disk or share may have gone away since, and it must not lose its place by that.
        """
        serving = self.store.champion()
        if isinstance(self.champion, Champion) and serving and serving.id == self.champion.network.id:
            return self.champion
        return load_champion(self.settings, self.store)

    def judge_alone(self, network: TcnModel) -> Contender:
        """The challenger, where there is nobody to compare it with."""
        return self.judge(self.player(network), self.material.pairs)

    def judge(self, player: Player, pairs: Sequence[ValidationPair]) -> Contender:
        """One by itself, once with the same files."""
        return self.audition_of(player, pairs).result()

    def audition_of(self, player: Player, pairs: Sequence[ValidationPair]) -> Audition:
        key = hash_of(player.network), *(pair.content_sha256 for pair in pairs)
        if key not in self.auditions:
            self.auditions[key] = Audition(player, pairs, self.material.sample_rates, self.check)
        return self.auditions[key]

    def pairs_beside(self, champion: Champion | NoChampion, night: Night) -> Sequence[ValidationPair]:
        """What the challenger is judged by if this is its champion."""
        if isinstance(champion, NoChampion):
            return self.material.pairs
        return judges(self.heard | player_of(champion).trained_on, self.material, night)[0]

    def player(self, network: TcnModel) -> Player:
        return Player(network, self.heard)

    def overtaken(self, decision: Decision, before: Model | None) -> Decision:
        """The same, but no promotion where another model was promoted while these two were judged."""
        now = self.store.champion()
        if now is None or not decision.promoted or (before is not None and before.id == now.id):
            return decision
        reason = f"{decision.reason}; but {now.id} was promoted meanwhile, and stays"
        return replace(decision, promoted=False, reason=reason)

    def check(self) -> None:
        if self.should_stop():
            raise Stopped("asked to stop while it was judged")


def hash_of(network: TcnModel) -> str:
    """Of its id and weights: the same id may be given to other weights, where a kill came between."""
    weights = sha256(network.id.encode())
    for name in sorted(network.weights):
        weights.update(network.weights[name].tobytes())
    return weights.hexdigest()


def player_of(champion: Champion) -> Player:
    return Player(champion.network, frozenset(champion.card.trained_on))


def judging_seconds(architecture: Architecture, pairs: Sequence[ValidationPair], fewest: int = 0) -> float:
    """How long a network of this shape will take to be judged, measured with one that is silent.

    With fewer files than `fewest`, clips of fxd's own are added.
    """
    frames = sum(len(pair.dry) for pair in pairs) + SINES_SECONDS * MODEL_SAMPLE_RATE
    if len(pairs) < fewest:
        frames += CLIPS_SECONDS * MODEL_SAMPLE_RATE
    noise = np.random.default_rng(0).normal(0, 0.1, min(frames, 2 * MODEL_SAMPLE_RATE)).astype(np.float32)
    trial = ValidationPair("noise", noise, noise)
    network = silent_network(architecture)
    # The first one may have to compile; of the others the fastest is the one that nothing disturbed.
    seconds = min(seconds_of(lambda: score(network, trial)) for _ in range(JUDGED_TIMES))
    return IN_EARNEST * seconds * frames / len(noise)
