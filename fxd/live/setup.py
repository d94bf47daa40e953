"""From what the command line asks for to the devices and the engines that are meant."""

from dataclasses import dataclass
from pathlib import Path

from fxd.config import Settings
from fxd.factory import install_factory_model
from fxd.live.device import DeviceInfo, Wiring, choose, list_devices
from fxd.live.engines import Cast
from fxd.live.errors import LiveError
from fxd.store.records import LiveEngines
from fxd.store.store import Store
from fxd.training.models import load_network

DEFAULT_BLOCK = 64
JACK = "JACK"
"""In the name of PortAudio's interface to it."""


@dataclass(frozen=True)
class Wish:
    """What the command line asks for."""

    engines: LiveEngines = "both"
    model: str | None = None
    """Its id, or an end of it; None is the one that serves, and every one that will."""
    source: str | None = None
    target: str | None = None
    sample_rate: int | None = None
    block: int | None = None
    channels: int = 1
    first_input: int = 1
    """Counted from 1."""
    record: Path | None = None


def wire(wish: Wish) -> Wiring:
    """The devices that are meant. Raises LiveError where they cannot be used so."""
    devices = list_devices()
    source, target = choose(devices, wish.source, True), choose(devices, wish.target, False)
    if source.api != target.api:
        raise LiveError(
            f"{source.name} belongs to {source.api} and {target.name} to {target.api}: choose --input and "
            "--output of one of them (`fxd live --list`)"
        )
    last = wish.first_input + wish.channels - 1
    mono = "leave --stereo out, or " if wish.channels > 1 else ""
    if last > source.inputs:
        raise LiveError(
            f"input {last} is wanted, and {source.name} has {source.inputs}: {mono}use another --channel"
        )
    if wish.channels > target.outputs:
        raise LiveError(
            f"--stereo wants two outputs, and {target.name} has {target.outputs}: {mono}use another --output"
        )
    sample_rate = wish.sample_rate or source.sample_rate
    return Wiring(source, target, sample_rate, block_of(source, wish), wish.channels, wish.first_input - 1)


def block_of(device: DeviceInfo, wish: Wish) -> int:
    """The size of a block, 0 where the device is to choose.

    A JACK server has one block for all its clients. PortAudio would hide that from us, and be late by a block.
    """
    if JACK not in device.api:
        return wish.block or DEFAULT_BLOCK
    if wish.block is not None:
        raise LiveError(
            f"--block {wish.block}: a JACK server has one block for everybody; choose it there (`jackd ... -p "
            f"{wish.block}`), and leave --block out"
        )
    return 0


def cast_of(settings: Settings, store: Store, wish: Wish) -> Cast:
    """The engines that are meant. Raises StoreError or ModelError for a model that is not there."""
    champion = install_factory_model(settings, store)
    model = None
    if wish.engines != "dsp":
        record = store.find_model(wish.model) if wish.model else champion
        model = load_network(settings.paths.models, record.id)
    return Cast(settings.saturator if wish.engines != "tcn" else None, model)
