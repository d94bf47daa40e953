"""The clips that fxd brings along, and sound files into a training set without the daemon.

The factory models are made from the clips, and models are compared on those that neither of them trained on
where a home has too few sounds of its own.
"""

from datetime import UTC, datetime
from pathlib import Path

from loguru import logger

from fxd.audio import AudioError, open_reader
from fxd.audio_writer import dry_format, open_writer
from fxd.config import Settings
from fxd.engines.settings_hash import settings_hash
from fxd.hashes import ContentHash
from fxd.pipeline.files import appear, make_folder
from fxd.sound_profile import SoundProfile
from fxd.store.examples import add_example
from fxd.store.records import Example
from fxd.store.store import Store
from fxd.training.dataset import dry_path, subset_of

PLACES = (Path(__file__).parent / "audio", Path(__file__).parents[2] / "tests" / "audio")
"""In an installed package, and in a checkout."""


def factory_clips() -> list[Path]:
    """The clips of fxd's own, by name; none where they were removed."""
    return next((found for place in PLACES if (found := sorted(place.glob("*.flac")))), [])


def readable_clips() -> list[Example]:
    """The clips as they would stand in a training set; one that cannot be read is left out with a warning."""
    examples = []
    for clip in factory_clips():
        try:
            examples.append(described(clip))
        except (AudioError, OSError) as error:
            logger.warning("{} cannot be read, and models are compared without it: {}", clip, error)
    return examples


def described(clip: Path) -> Example:
    """A clip as it would stand in a training set, at the path where it is, for no settings."""
    with open_reader(clip) as reader:
        content = ContentHash(reader.sample_rate, reader.channels)
        frames = 0
        for block in reader.blocks():
            content.update(block)
            frames += block.shape[1]
    return Example(
        content_sha256=content.hexdigest(),
        settings_hash="",
        subset="validation",
        path=str(clip),
        sample_rate=reader.sample_rate,
        channels=reader.channels,
        frames=frames,
        bytes=clip.stat().st_size,
        added_at=datetime.now(UTC),
    )


def add_clip(store: Store, settings: Settings, clip: Path) -> Example:
    """Put a sound file into the training set of a home, as the daemon does after it has processed one."""
    make_folder(settings.dataset)
    with open_reader(clip) as reader:
        container, subtype, suffix = dry_format(reader)
        content = ContentHash(reader.sample_rate, reader.channels)
        profile = SoundProfile(reader.sample_rate)
        incoming = settings.dataset / f".incoming{suffix}"
        with open_writer(incoming, reader.sample_rate, reader.channels, subtype, container=container) as dry:
            for block in reader.blocks():
                content.update(block)
                profile.update(block)
                dry.write(block)
    final = dry_path(settings.dataset, content.hexdigest(), suffix)
    appear(incoming, final)
    example = Example(
        content_sha256=content.hexdigest(),
        settings_hash=settings_hash(settings.saturator),
        subset=subset_of(content.hexdigest()),
        path=str(final.relative_to(settings.dataset)),
        sample_rate=reader.sample_rate,
        channels=reader.channels,
        frames=dry.frames,
        bytes=final.stat().st_size,
        added_at=datetime.now(UTC),
        profile=profile.text(),
    )
    with store.write() as connection:
        add_example(connection, example)
    return example
