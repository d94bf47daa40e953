"""Sound cards and sound servers, through PortAudio: ALSA, JACK, PulseAudio, CoreAudio, WASAPI, ASIO.

PortAudio calls compiled code (`fxd.live.callback`) in its own thread. python-sounddevice is built to allow that:
its `_StreamBase` takes a C function instead of a Python one.
"""

import atexit
import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fxd.insight.plain import plain
from fxd.live.errors import LiveError
from fxd.live.ports import Ports

if TYPE_CHECKING:
    from fxd.live.desk import Desk

CLOSE_SECONDS = 3.0


@dataclass(frozen=True)
class DeviceInfo:
    """One device that can be named."""

    index: int
    name: str
    api: str
    inputs: int
    outputs: int
    sample_rate: int
    """Its own."""
    is_default_input: bool
    is_default_output: bool


def sounddevice() -> Any:
    """The library, ready. Raises LiveError where it, or PortAudio, is missing."""
    try:
        with quiet():
            import sounddevice as library
    except ModuleNotFoundError:
        raise LiveError("playing needs sounddevice: install it with pip install 'fxd[live]'") from None
    except OSError as error:
        raise LiveError(
            f"playing needs the PortAudio library ({error}); on Debian and Ubuntu: apt install libportaudio2"
        ) from None
    return library


@contextmanager
def quiet() -> Iterator[None]:
    """Swallow what C libraries write to standard error: ALSA and JACK complain of all that is not there."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def list_devices() -> list[DeviceInfo]:
    """All devices that PortAudio sees now."""
    library = sounddevice()
    apis = library.query_hostapis()
    default_input, default_output = library.default.device
    return [
        DeviceInfo(
            index=index,
            name=plain(str(found["name"])),
            api=plain(str(apis[found["hostapi"]]["name"])),
            inputs=int(found["max_input_channels"]),
            outputs=int(found["max_output_channels"]),
            sample_rate=round(found["default_samplerate"]),
            is_default_input=index == default_input,
            is_default_output=index == default_output,
        )
        for index, found in enumerate(library.query_devices())
    ]


def choose(devices: list[DeviceInfo], wanted: str | None, is_input: bool) -> DeviceInfo:
    """The device with this number, or with all these words in its name and its API's; else the default.

    Raises LiveError where there is none, or more than one.
    """
    direction = "input" if is_input else "output"
    usable = [device for device in devices if (device.inputs if is_input else device.outputs)]
    if not usable:
        raise LiveError(
            f"there is no {direction} device: plug one in, or start a sound server; `fxd live --list` shows all"
        )
    if wanted is None:
        defaults = [d for d in usable if (d.is_default_input if is_input else d.is_default_output)]
        return (defaults or usable)[0]
    if wanted.isdecimal():
        found = [device for device in usable if device.index == int(wanted)]
    else:
        words = wanted.casefold().split()
        found = [d for d in usable if all(word in f"{d.name} {d.api}".casefold() for word in words)]
        exact = [device for device in found if device.name.casefold() == wanted.casefold()]
        found = exact if len(exact) == 1 else found
    if len(found) != 1:
        several = (
            f"{len(found)} {direction} devices are called so"
            if found
            else f"no {direction} device is called so"
        )
        raise LiveError(f"--{direction} {wanted}: {several}; `fxd live --list` lists them")
    return found[0]


@dataclass(frozen=True)
class Wiring:
    """Which devices, how fast, in what blocks."""

    source: DeviceInfo
    target: DeviceInfo
    sample_rate: int
    block: int
    """Frames; 0 where the device chooses."""
    channels: int
    first_input: int
    """From 0."""

    @property
    def ports(self) -> Ports:
        return Ports(self.first_input + self.channels, self.first_input, min(2, self.target.outputs))

    @property
    def block_option(self) -> str:
        """What a person writes before the size of a block."""
        return "--block" if self.block else "jackd -p"

    @property
    def name(self) -> str:
        if self.source.name == self.target.name:
            return f"{self.source.name} ({self.source.api})"
        return f"{self.source.name} to {self.target.name} ({self.target.api})"


class Card:
    """An open device whose callback is a desk's."""

    def __init__(self, wiring: Wiring, desk: "Desk") -> None:
        """Raises LiveError where the device refuses."""
        library = sounddevice()
        self.wiring = wiring
        ports = wiring.ports
        try:
            with quiet():
                self.stream = library._StreamBase(
                    kind="duplex",
                    samplerate=wiring.sample_rate,
                    blocksize=wiring.block,
                    device=(wiring.source.index, wiring.target.index),
                    channels=(ports.inputs, ports.outputs),
                    dtype="float32",
                    latency="low",
                    callback=library._ffi.cast("PaStreamCallback *", desk.callback.address),
                    userdata=library._ffi.cast("void *", desk.board.ctypes.data),
                    wrap_callback=None,
                )
        except (library.PortAudioError, ValueError) as error:
            raise LiveError(self.refusal(error)) from None

    def refusal(self, error: Exception) -> str:
        wiring = self.wiring
        what = str(error.args[0] if error.args else error).removeprefix("Error opening _StreamBase: ")
        rate = f"{wiring.sample_rate} Hz" + (f", blocks of {wiring.block}" if wiring.block else "")
        return (
            f"{wiring.name} refuses {rate}: {what}; try --rate {wiring.source.sample_rate}, another --block, or "
            "another device (`fxd live --list`)"
        )

    def start(self) -> None:
        """Let the callbacks begin. Raises LiveError."""
        library = sounddevice()
        self.ask_for_priority()
        try:
            self.stream.start()
        except library.PortAudioError as error:
            raise LiveError(self.refusal(error)) from None

    def ask_for_priority(self) -> None:
        """Let ALSA's thread go before others, where the system allows it; other interfaces do so themselves."""
        library = sounddevice()
        if self.wiring.source.api != "ALSA":
            return
        enable = getattr(ctypes.CDLL(library._libname), "PaAlsa_EnableRealtimeScheduling", None)
        if enable is not None:
            enable(ctypes.c_void_p(int(library._ffi.cast("intptr_t", self.stream._ptr))), 1)

    @property
    def is_active(self) -> bool:
        library = sounddevice()
        try:
            return bool(self.stream.active)
        except library.PortAudioError:
            return False

    @property
    def latency_seconds(self) -> float:
        """Of the device, in and out, as far as it says."""
        return float(sum(self.stream.latency))

    def stop(self) -> None:
        """End the callbacks: none runs any more when this returns. A device that is gone is no error.

        PortAudio waits for a JACK server that was stopped, for ever, and aborts the program where it is asked to
        end itself after that: it is then left where it is.
        """
        was_active = self.is_active
        closing = threading.Thread(target=self.close, name="closing", daemon=True)
        with quiet():
            closing.start()
            closing.join(CLOSE_SECONDS)
        if not was_active or closing.is_alive():
            atexit.unregister(sounddevice()._exit_handler)

    def close(self) -> None:
        library = sounddevice()
        with suppress(library.PortAudioError):
            self.stream.abort()
        with suppress(library.PortAudioError):
            self.stream.close()
