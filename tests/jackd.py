"""A JACK server of the test's own, without a sound card, and a client that feeds `fxd live` and hears it."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import jack
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
jack.set_error_function(lambda _: None)
jack.set_info_function(lambda _: None)

OURS = "PortAudio"
"""What PortAudio calls its client."""


def wait_until(condition: Callable[[], object], what: str, seconds: float) -> None:
    """Return as soon as `condition` holds. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)


class Server:
    """A running jackd."""

    def __init__(self, folder: Path, sample_rate: int, period: int, realtime: bool = False) -> None:
        self.name = f"fxd-{uuid4().hex[:8]}"
        self.sample_rate = sample_rate
        self.period = period
        self.environment = {"JACK_NO_AUDIO_RESERVATION": "1", "JACK_DEFAULT_SERVER": self.name}
        # -S: without it the dummy driver drops frames by itself.
        mode = ["-R", "-P", "60"] if realtime else ["-r"]
        command = [
            "jackd",
            "-n",
            self.name,
            *mode,
            "-S",
            "-d",
            "dummy",
            "-r",
            str(sample_rate),
            "-p",
            str(period),
        ]
        self.log = folder / f"{self.name}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self.answers, "jackd starts", 20)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            client = jack.Client("probe", no_start_server=True, servername=self.name)
        except jack.JackOpenError:
            return False
        client.close()
        return True

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def server(
    folder: Path, sample_rate: int = 48_000, period: int = 64, realtime: bool = False
) -> Iterator[Server]:
    running = Server(folder, sample_rate, period, realtime)
    try:
        yield running
    finally:
        running.stop()


class Feeder:
    """A client whose output goes into fxd and whose input is what fxd gives, both through JACK.

    As the two form a ring, what fxd gives arrives a period later.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = jack.Client("feeder", no_start_server=True, servername=server.name)
        self.out = self.client.outports.register("out")
        self.back = self.client.inports.register("in")
        self.sound: Array = np.zeros(0, np.float32)
        self.heard: Array = np.zeros(0, np.float32)
        self.position = -1
        self.client.set_process_callback(self.process)
        self.client.activate()

    def process(self, frames: int) -> None:
        target = self.out.get_array()
        target[:] = 0
        at = self.position
        if at < 0 or at >= len(self.heard):
            return
        part = self.sound[at : at + frames]
        target[: len(part)] = part
        count = min(frames, len(self.heard) - at)
        self.heard[at : at + count] = self.back.get_array()[:count]
        self.position = at + frames

    def wire(self) -> None:
        """Take fxd away from the server's own ports, and put this client there."""
        own = [(f"{OURS}:in_0", self.out, True), (f"{OURS}:out_0", self.back, False)]
        for name, port, is_input in own:
            wait_until(lambda name=name: self.client.get_ports(name), "fxd has its ports", 60)
            wait_until(lambda name=name: self.client.get_all_connections(name), "fxd is connected", 20)
            for other in self.client.get_all_connections(name):
                pair = (other, name) if is_input else (name, other)
                self.client.disconnect(*pair)
            self.client.connect(port, name) if is_input else self.client.connect(name, port)

    def play(self, sound: Array, seconds: float = 60) -> Array:
        """Feed a sound; returns what came back in the same time."""
        self.begin(sound)
        wait_until(lambda: self.position >= len(sound), "the sound has passed", seconds)
        self.position = -1
        return self.heard

    def begin(self, sound: Array) -> None:
        """Feed a sound from now on; `position` tells how far it is."""
        # Filled, so that it has all of its memory from now on.
        self.sound, self.heard = sound, np.full(len(sound), np.nan, np.float32)
        self.position = 0

    def freewheel(self, on: bool) -> None:
        """As fast as the machine can, and no block is ever late."""
        self.client.set_freewheel(on)
        time.sleep(0.1)

    def close(self) -> None:
        self.client.deactivate()
        self.client.close()
