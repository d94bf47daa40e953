"""Who served after whom, and which night it is for a challenger; read from the promotions."""

from collections.abc import Sequence
from datetime import UTC, datetime

from fxd.config import Settings
from fxd.engines.tcn import PRESETS
from fxd.local_time import local, midnight
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


def tonight(settings: Settings, store: Store) -> Night:
    """The decision that would be the next one.

    A rollback does not begin a new count: it goes on with that of the model that serves again, and the nights
    of the model that was rolled back count too.
    """
    asked_for = PRESETS[settings.tcn.preset].multiply_adds
    promotions = store.promotions()
    first = first_of_champion(promotions)
    if first is None:
        return Night(asked_for=asked_for)
    promoted = sum(one.at > first.at and one.reason != BY_HAND for one in chosen(promotions))
    return Night(
        1 + store.count_kept(first.at) + promoted,
        asked_for=asked_for,
        # By its end: a training may begin on the day before.
        again=store.count_decided(max(first.at, today()), besides=first.model_id) > 0,
    )


def heard_night(settings: Settings, store: Store) -> int:
    """The night by which is drawn what a training hears: those that failed count too.

    One that failed for what it drew would else fail again, every night.
    """
    first = first_of_champion(store.promotions())
    return tonight(settings, store).number + (store.count_failed(first.at) if first else 0)


def first_of_champion(promotions: Sequence[Promotion]) -> Promotion | None:
    """The promotion of the model that serves, not one that returned to it; `promotions` newest first."""
    return next((one for one in chosen(promotions) if one.model_id == promotions[0].model_id), None)


def chosen(promotions: Sequence[Promotion]) -> list[Promotion]:
    """Those that did not return to an earlier model."""
    return [one for one in promotions if not one.reason.startswith(ROLLED_BACK)]


def today() -> datetime:
    """When this day began, on the local clock."""
    return midnight(local(datetime.now(UTC)).date())
