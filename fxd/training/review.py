"""Whether a promotion keeps its promise: the model that serves and the one that it replaced, on new files.

What validation promised is that the new model is better than the old one, and that is asked again, of files that
neither knew: those that the new model has processed since its promotion, without all that either trained on or
was compared on. The error on new files alone would say little, as it is the material that differs, by tens of dB;
but the old model is still on disk, so the two are compared on each new file, by the same test, with its sign
turned round: the model is worse where the bootstrap interval of its median gain lies below zero, and chance would
hardly have done that. Each look since the promotion is tested at the level of such a night.

Where `[training] auto_rollback` says so, a model that is worse gives way to the old one, once: what came by a
rollback, or by hand, stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
from loguru import logger

from fxd.config import Settings
from fxd.engines.settings_hash import settings_hash
from fxd.store.records import Example, Promotion, Review
from fxd.store.store import Store
from fxd.training.card import no_nan
from fxd.training.contest import score
from fxd.training.evidence import bootstrap_interval, chance, level
from fxd.training.models import ModelCard, ModelError, load_network, model_folder, read_card
from fxd.training.pairs import PairSource
from fxd.training.promotion import Comparison, Night, counted
from fxd.training.succession import BY_HAND, ROLLED_BACK, line_of_succession, today
from fxd.training.validation import judging_pairs


def review(settings: Settings, store: Store, source: PairSource, check: Callable[[], None]) -> Review | None:
    """Look at the last promotion again, record what new files say, and roll it back where that is wanted.

    None where there is nothing to say: no promotion but a rollback, a model of other settings or one that is
    lost, or too few new files. `check` is called before every file; it may raise.
    """
    promotions = store.promotions()
    line = line_of_succession(promotions)
    if len(line) < 2 or promotions[0].reason.startswith(ROLLED_BACK):
        return None
    try:
        found = look(settings, store, promotions[0], line[-2], source, check)
    except ModelError as error:
        logger.warning("the last promotion cannot be looked at again: {}", error)
        return None
    if found is None:
        return None
    store.add_review(found)
    if found.worse:
        logger.warning("{}", found.reason)
        if settings.training.auto_rollback and promotions[0].reason != BY_HAND:
            store.promote(found.previous_id, f"{ROLLED_BACK} by itself: {found.reason}", datetime.now(UTC))
    return found


def look(
    settings: Settings,
    store: Store,
    promotion: Promotion,
    previous_id: str,
    source: PairSource,
    check: Callable[[], None],
) -> Review | None:
    """What new files say, where they are enough. Raises ModelError where one of the models cannot be read."""
    models = settings.paths.models
    cards = [read_card(model_folder(models, one)) for one in (previous_id, promotion.model_id)]
    if any(card.settings_hash != settings_hash(settings.saturator) for card in cards):
        return None
    looks = [one.at for one in store.reviews(promotion.model_id) if one.at >= promotion.at]
    night = Night(1 + len(looks), again=any(at >= today() for at in looks))
    examples = new_files(store, promotion, cards)
    if len(examples) < night.fewest_files:
        return None
    old, new = (load_network(models, card.id) for card in cards)
    files = []
    for pair in judging_pairs(examples, source):
        check()
        before, after = score(old, pair), score(new, pair)
        files.append(
            Comparison(pair.content_sha256, before.esr_db, after.esr_db, before.mrstft, after.mrstft)
        )
    files = [file for file in files if np.isfinite(file.champion_esr_db)]
    if broken := [file for file in files if not np.isfinite(file.challenger_esr_db)]:
        return broke(cards[1], previous_id, broken, len(files), night)
    if len(files) < night.fewest_files:
        return None
    return concluded(cards[1], previous_id, files, night)


def new_files(store: Store, promotion: Promotion, cards: Sequence[ModelCard]) -> list[Example]:
    """What the model has processed since its promotion and neither model knows, the newest first."""
    heard = store.contents_heard(promotion.model_id, promotion.at)
    for card in cards:
        heard -= {*card.trained_on, *(one.content_sha256 for one in card.scores)}
        heard -= {one["content_sha256"] for one in card.decision.get("files") or ()}
    return [example for example in reversed(store.contents()) if example.content_sha256 in heard]


def broke(card: ModelCard, previous_id: str, broken: Sequence[Comparison], of: int, night: Night) -> Review:
    """No challenger that gives nan or inf is promoted; one that does so later is worse, however seldom."""
    reason = (
        f"{card.id} gives nan or inf on {len(broken)} of {counted(of)} that came since it replaced "
        f"{previous_id}, which does not"
    )
    details = {"look": night.number, "files": [asdict(file) for file in broken]}
    return Review(card.id, previous_id, datetime.now(UTC), True, reason, no_nan(details))


def concluded(card: ModelCard, previous_id: str, files: Sequence[Comparison], night: Night) -> Review:
    """The rule at the top of this file; `night` counts the looks since the promotion."""
    gains = np.array([file.gain_db for file in files])
    low, high = bootstrap_interval(gains)
    luck, allowed = chance(-gains), level(night.number, night.again)
    worse = high < 0 and luck <= allowed
    median = float(np.median(gains))
    promised = card.decision.get("median_gain_db")
    promise = f", its validation promised {promised:+.2f}" if promised is not None else ""
    verdict = "does worse than" if worse else "does no worse than"
    reason = (
        f"{card.id} {verdict} {previous_id}, which it replaced, on {counted(len(files))} that came since: "
        f"{median:+.2f} dB in the median{promise} (95 % interval {low:+.2f} to {high:+.2f})"
    )
    details = {
        "look": night.number,
        "median_gain_db": median,
        "interval_db": (low, high),
        "chance": luck,
        "level": allowed,
        "promised_gain_db": promised,
        "files": [asdict(file) for file in files],
    }
    return Review(card.id, previous_id, datetime.now(UTC), worse, reason, no_nan(details))
