"""What a person should know before believing a number."""

from fxd.config import Settings
from fxd.engines.settings_hash import settings_hash
from fxd.store.records import Model


def model_hint(settings: Settings, champion: Model | None) -> str:
    """A sentence where the model that serves learned another saturator than the configured one; else nothing."""
    if champion is None or champion.settings_hash == settings_hash(settings.saturator):
        return ""
    return (
        f"model {champion.id} learned other [saturator] settings than config.toml has now: its error says "
        "little until a retraining (`fxd retrain --now`)"
    )
