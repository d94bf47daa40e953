"""`fxd stats`."""

import json

from fxd.config import Settings
from fxd.insight.hints import mixed_hint, model_hint
from fxd.insight.stats import NO_RUNS, stats_json
from fxd.store.store import open_store


def stats(settings: Settings, last: int, as_json: bool) -> int:
    """Print the newest runs and, per engine and measure, what they say together."""
    with open_store(settings.database_url) as store:
        runs = store.runs(last)
        hint = model_hint(settings, store.champion())
    if as_json:
        print(json.dumps(stats_json(runs), indent=2, allow_nan=False))
        return 0
    if not runs:
        print(NO_RUNS)  # without rich, which takes as long to load as all the rest of an empty home
        return 0
    from rich.console import Console

    from fxd.insight.stats_table import print_stats

    console = Console()
    print_stats(console, runs)
    if mixed := mixed_hint(runs):
        console.print(f"Note: {mixed}", style="yellow", markup=False)
    if hint:
        console.print(f"Note: {hint}", style="yellow", markup=False)
    return 0
