"""Who served after whom, and which night it is for a challenger; read from the promotions."""

from collections.abc import Sequence

from fxd.config import Settings
from fxd.engines.tcn import PRESETS
from fxd.store.records import Promotion
from fxd.store.store import Store
from fxd.training.promotion import Night

ROLLED_BACK = "rolled back"
"""How the reason of a promotion begins that returns to an earlier model."""
BY_HAND = "promoted by hand"


def line_of_succession(promotions: Sequence[Promotion]) -> list[str]:
    """The models that served, oldest first, without those that were rolled back; `promotions` newest first."""
    line: list[str] = []
    for promotion in reversed(promotions):
        if promotion.reason.startswith(ROLLED_BACK):
            line = line[:-1]
        elif line[-1:] != [promotion.model_id]:
            line.append(promotion.model_id)
    return line


def last_promotion(promotions: Sequence[Promotion]) -> Promotion | None:
    """The newest one that is no rollback; `promotions` newest first."""
    return next((one for one in promotions if not one.reason.startswith(ROLLED_BACK)), None)


def tonight(settings: Settings, store: Store) -> Night:
    """The decision that would be the next one.

    A rollback does not begin a new count: the challengers of before were tested against the same model.
    """
    last = last_promotion(store.promotions())
    kept = store.count_kept(last.at) if last is not None else 0
    return Night(1 + kept, PRESETS[settings.tcn.preset].multiply_adds)
