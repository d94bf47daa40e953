"""Makes the factory models: `python -m fxd.factory.make [--preset P ...] [--minutes M] [CLIPS...]`.

Each is the project's own retraining, from zero, in a temporary home whose training set is the given clips. One
in five of them is for validation, as everywhere, and stays unheard, so that later models can be compared with
the factory model from the first day.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fxd.audio import AudioError
from fxd.config import (
    MOST_MINUTES,
    DatabaseSettings,
    PathSettings,
    Preset,
    SaturatorSettings,
    Settings,
    TcnSettings,
    TrainingSettings,
)
from fxd.engines.tcn import PRESETS
from fxd.factory import FACTORY
from fxd.factory.clips import add_clip
from fxd.store.store import open_store
from fxd.training.models import ModelCard, load_network, model_folder, read_card, write_model
from fxd.training.retrain import retrain
from fxd.training.trainer import Progress

CLIPS = Path(__file__).parents[2] / "tests" / "audio"
MINUTES: Mapping[Preset, float] = {"compact": 12, "standard": 130, "lite": 10, "feather": 10, "nano": 10}
"""Of training. Ten is what a retraining takes unless told otherwise. What ships was made on one core each."""


class FactoryFailed(Exception):
    """The training brought no model; the message says why."""


def make(clips: Sequence[Path], preset: Preset, minutes: float, folder: Path) -> ModelCard:
    """Train a model of `preset` on `clips` from zero, with the default saturator, into `folder`.

    Raises FactoryFailed where no model came of it; then `folder` is left as it was.
    """
    with TemporaryDirectory(prefix="fxd-factory-") as root:
        settings = factory_settings(Path(root), preset, minutes)
        with open_store(settings.database_url) as store:
            for clip in clips:
                try:
                    add_clip(store, settings, clip)
                except AudioError as error:
                    raise FactoryFailed(f"{clip}: {error}") from error
            result = retrain(settings, store, "command", show_progress(), lambda: False)
        if result.state != "promoted" or result.model_id is None:
            raise FactoryFailed(result.reason)
        card = read_card(model_folder(settings.paths.models, result.model_id))
        network = load_network(settings.paths.models, result.model_id)
    # The host is nobody's business: this card is published.
    card = card.model_copy(update={"origin": "factory", "environment": card.environment | {"host": ""}})
    write_model(folder, network, card)
    return card


def factory_settings(root: Path, preset: Preset, minutes: float) -> Settings:
    """The defaults, whatever variables are set here, in a home at `root`."""
    return Settings(
        paths=PathSettings(**{name: root / name for name in PathSettings.model_fields}),
        saturator=SaturatorSettings(),
        tcn=TcnSettings(preset=preset),
        training=TrainingSettings(max_minutes=minutes),
        database=DatabaseSettings(),
    )


def show_progress() -> Callable[[Progress], None]:
    """Prints how far the training is, every ten seconds."""
    due = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal due
        if time.monotonic() >= due or progress.step == progress.steps:
            due = time.monotonic() + 10
            print(
                f"step {progress.step} of {progress.steps}, loss {progress.loss_db:.1f} dB, "
                f"validation {progress.validation_esr_db:.1f} dB, {progress.seconds_left:.0f} s left",
                flush=True,
            )

    return show


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("python -m fxd.factory.make", description="Makes the factory models.")
    parser.add_argument("--minutes", type=float, help="time budget of each (each preset has its own)")
    parser.add_argument("--preset", nargs="+", choices=PRESETS, default=list(MINUTES), help="(all)")
    parser.add_argument(
        "--into", type=Path, default=FACTORY, help="folder that gets a folder named by the preset"
    )
    parser.add_argument("clips", type=Path, nargs="*", help="sound files (those of tests/audio)")
    options = parser.parse_args(arguments)
    if options.minutes is not None and not 0 < options.minutes <= MOST_MINUTES:
        parser.error(f"--minutes {options.minutes:g}: more than 0 and at most {MOST_MINUTES}")
    clips = options.clips or sorted(CLIPS.glob("*.flac"))
    for preset in options.preset:
        folder = options.into / preset
        minutes = MINUTES[preset] if options.minutes is None else options.minutes
        try:
            card = make(clips, preset, minutes, folder)
        except (FactoryFailed, OSError) as error:
            print(f"no factory model {preset} was made: {error}", file=sys.stderr)
            return 1
        print(
            f"{folder}: {card.id}, {card.steps} steps, "
            f"{card.esr_db:.1f} dB over {len(card.scores)} clips that it never heard",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
