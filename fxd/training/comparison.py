"""Two models side by side, file by file, on what neither was trained on: for a person who wants to choose."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from fxd.config import Settings
from fxd.engines.tcn import PRESETS
from fxd.factory.clips import readable_clips
from fxd.store.store import Store
from fxd.training.contest import Audition, Material, Player, contest
from fxd.training.models import load_network, model_folder, read_card
from fxd.training.pairs import PairSource
from fxd.training.promotion import Comparison, Contender, Decision, Night
from fxd.training.trainer import ValidationPair
from fxd.training.validation import factory_pairs, validation_pairs


@dataclass(frozen=True)
class LeftOut:
    """A file that says nothing of two models, as one of them knows it."""

    content_sha256: str
    trained_on_by: tuple[str, ...]
    """Ids of those that did."""


@dataclass(frozen=True)
class SideBySide:
    """What is to be seen of two models."""

    decision: Decision
    """By the promotion rule of a first night."""
    left_out: tuple[LeftOut, ...]
    names: dict[str, str]
    """Of the files, by content hash, where anybody knows: as they came into the inbox, or of fxd's own clips."""
    clips: frozenset[str]
    """Which contents are clips of fxd's own, and not of this home."""

    @property
    def worst_first(self) -> list[Comparison]:
        return sorted(self.decision.files, key=lambda file: file.gain_db)

    def name_of(self, content: str) -> str:
        """A name to show: the file's, else the beginning of its hash."""
        known = self.names.get(content, content[:12])
        return f"{known} (fxd's own)" if content in self.clips else known


def compare(
    settings: Settings, store: Store, old: str, new: str, on_progress: Callable[[float], None]
) -> SideBySide:
    """Two models, by their ids, against the saturator of today.

    `on_progress` is told the share that is done. Raises ModelError where one of them cannot be read.
    """
    champion, challenger = player(settings, old), player(settings, new)
    source = PairSource(settings.dataset, settings.saturator)
    examples = store.contents()
    pairs = validation_pairs(examples, source)
    own = {pair.content_sha256 for pair in pairs}
    clips: dict[str, str] = {}
    done = count(1)

    def more(without: Set[str]) -> Sequence[ValidationPair]:
        clips.update({clip.content_sha256: Path(clip.path).name for clip in readable_clips()})
        return factory_pairs(source, without)

    def check() -> None:
        on_progress(min(1.0, next(done) / (2 * len(pairs) + 2)))

    def judge(player: Player, pairs: Sequence[ValidationPair]) -> Contender:
        return Audition(player, pairs, material.sample_rates, check).result()

    material = Material(pairs, {example.content_sha256: example.sample_rate for example in examples}, more)
    night = Night(asked_for=PRESETS[settings.tcn.preset].multiply_adds)
    decision = contest(challenger, champion, material, night, judge)[1]
    judges = own | clips.keys()
    return SideBySide(
        decision,
        left_out=known_to(judges, champion, challenger),
        names=clips | store.files_of(sorted(judges)),
        clips=frozenset(clips.keys() - own),
    )


def known_to(judges: Set[str], *players: Player) -> tuple[LeftOut, ...]:
    """Those of `judges` that a player was trained on, and which did."""
    heard = judges & frozenset().union(*(one.trained_on for one in players))
    ids = {content: [one.network.id for one in players if content in one.trained_on] for content in heard}
    return tuple(LeftOut(content, tuple(dict.fromkeys(ids[content]))) for content in sorted(heard))


def player(settings: Settings, model_id: str) -> Player:
    models = settings.paths.models
    card = read_card(model_folder(models, model_id))
    return Player(load_network(models, model_id), frozenset(card.trained_on))
