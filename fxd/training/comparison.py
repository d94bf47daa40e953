"""Two models side by side, file by file, on what neither was trained on: for a person who wants to choose."""

from collections.abc import Callable

from fxd.config import Settings
from fxd.store.store import Store
from fxd.training.models import load_network, model_folder, read_card
from fxd.training.pairs import PairSource
from fxd.training.promotion import Contender, Decision, decide, score
from fxd.training.validation import validation_pairs


def compare(
    settings: Settings, store: Store, old: str, new: str, on_progress: Callable[[float], None]
) -> Decision:
    """What the promotion rule says of two models, by their ids, against the saturator of today.

    `on_progress` is told the share that is done. Raises ModelError where one of them cannot be read.
    """
    pairs = validation_pairs(store.contents(), PairSource(settings.dataset, settings.saturator))
    contenders = []
    for number, model_id in enumerate((old, new)):
        network = load_network(settings.paths.models, model_id)
        card = read_card(model_folder(settings.paths.models, model_id))
        scores = []
        for done, pair in enumerate(pairs):
            scores.append(score(network, pair))
            on_progress((number + (done + 1) / len(pairs)) / 2)
        contenders.append(Contender(model_id, tuple(scores), frozenset(card.trained_on)))
    return decide(contenders[1], contenders[0])
