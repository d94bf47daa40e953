"""What a person should know before believing a number."""

from collections.abc import Sequence
from datetime import datetime

from fxd.config import Settings
from fxd.engines.settings_hash import settings_hash
from fxd.insight.stats import NO_RUNS
from fxd.local_time import minute
from fxd.store.records import EngineName, Model, Run
from fxd.store.store import Store


def model_hint(settings: Settings, champion: Model | None) -> str:
    """A sentence where the model that serves learned another saturator than the configured one; else nothing."""
    if champion is None or champion.settings_hash == settings_hash(settings.saturator):
        return ""
    return (
        f"model {champion.id} learned other [saturator] settings than config.toml has now: its error says "
        "little until a retraining (`fxd retrain --now`)"
    )


def review_hint(store: Store, champion: Model | None) -> str:
    """A sentence where new files say that the model that serves is worse than the one before; else nothing."""
    reviews = store.reviews(champion.id) if champion else []
    serving = next(iter(store.promotions()), None)
    if not reviews or not reviews[0].worse or serving is None or reviews[0].at < serving.at:
        return ""
    return f"{reviews[0].reason}; `fxd models rollback` returns to it"


def mixed_hint(runs: Sequence[Run]) -> str:
    """A sentence where figures over all of `runs` mix several models or saturator settings; else nothing."""
    models, settings = versions(runs, "tcn"), versions(runs, "dsp")
    if models < 2 and settings < 2:
        return ""
    return (
        f"these runs span {counted(models, 'model')} and {counted(settings, 'saturator setting')}; "
        "the figures together mix them"
    )


def nothing_to_tell(store: Store, since: datetime | None) -> str:
    """Why there is nothing to tell of the runs that are done since then."""
    newest = next(iter(store.runs(1)), None)
    if newest is None:
        return NO_RUNS
    if since is None:
        failed = store.count_runs("failed")
        return f"None of the runs was done: {failed:,} failed; `fxd stats` tells why."
    began, last = (minute(at) for at in (since, newest.finished_at))
    return f"No runs are done since {began}; the newest of all is of {last}."


def versions(runs: Sequence[Run], engine: EngineName) -> int:
    return len({result.version for run in runs for result in run.results if result.engine == engine})


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"
