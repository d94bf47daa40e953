"""Two models side by side, file by file, on what neither was trained on: for a person who wants to choose."""

from collections.abc import Callable
from functools import partial
from itertools import count

from fxd.config import Settings
from fxd.engines.tcn import PRESETS
from fxd.store.store import Store
from fxd.training.contest import Material, Player, contest
from fxd.training.models import load_network, model_folder, read_card
from fxd.training.pairs import PairSource
from fxd.training.promotion import Decision, Night
from fxd.training.validation import factory_pairs, validation_pairs


def compare(
    settings: Settings, store: Store, old: str, new: str, on_progress: Callable[[float], None]
) -> Decision:
    """What the promotion rule of a first night says of two models, by their ids, against the saturator of today.

    `on_progress` is told the share that is done. Raises ModelError where one of them cannot be read.
    """
    source = PairSource(settings.dataset, settings.saturator)
    examples = store.contents()
    pairs = validation_pairs(examples, source)
    sample_rates = {example.content_sha256: example.sample_rate for example in examples}
    material = Material(pairs, sample_rates, partial(factory_pairs, source))
    done = count(1)

    def check() -> None:
        on_progress(min(1.0, next(done) / (2 * len(pairs) + 2)))

    night = Night(asked_for=PRESETS[settings.tcn.preset].multiply_adds)
    champion, challenger = player(settings, old), player(settings, new)
    return contest(challenger, champion, material, night, check)[1]


def player(settings: Settings, model_id: str) -> Player:
    models = settings.paths.models
    card = read_card(model_folder(models, model_id))
    return Player(load_network(models, model_id), frozenset(card.trained_on))
