"""The model that serves, followed while somebody plays: the next one is made ready in a thread of its own."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from fxd.config import Settings
from fxd.engines.tcn import TcnModel
from fxd.insight.plain import short_id
from fxd.live.engines import Cast, Shape, check_load, rehearse, settle_frames, tcn_path
from fxd.live.errors import LiveError
from fxd.live.switch import Newcomer
from fxd.store.store import Store, StoreError
from fxd.training.models import ModelError, load_network

LOOK_SECONDS = 2.0
STOP_SECONDS = 1.0
POLITENESS = 10
"""Of the thread that compiles: on a busy machine it waits, and the sound does not."""


@dataclass(frozen=True)
class Arrival:
    """A new champion, ready to be heard."""

    model: TcnModel
    newcomer: Newcomer


class ChampionWatch:
    """Looks for another champion, and makes it ready."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        shape: Shape,
        block: Callable[[], int],
        block_option: str,
        known: str,
    ) -> None:
        """`block` tells the frames of a block, which a JACK server may change at any time."""
        self.settings = settings
        self.store = store
        self.shape = shape
        self.block = block
        self.block_option = block_option
        self.known = known
        """The id of the champion that was seen last."""
        self.found: SimpleQueue[Arrival | str] = SimpleQueue()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.work, name="champion", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def news(self) -> Arrival | str | None:
        """The next champion, or a sentence on why it cannot be heard; None where there is neither."""
        with suppress(Empty):
            return self.found.get_nowait()
        return None

    def work(self) -> None:
        be_polite()
        while not self.ended.wait(LOOK_SECONDS):
            # A database that cannot be read now is asked again.
            with suppress(StoreError):
                self.look()

    def look(self) -> None:
        champion = self.store.champion()
        if champion is None or champion.id == self.known:
            return
        self.known = champion.id
        # A preset that was never compiled here takes a minute.
        self.found.put(f"{short_id(champion.id)} serves now; it is made ready, and then fades in")
        try:
            self.found.put(self.make_ready(champion.id))
        except (ModelError, LiveError) as error:
            self.found.put(f"{short_id(champion.id)} serves now, and cannot be heard: {error}")

    def make_ready(self, model_id: str) -> Arrival:
        """Raises ModelError for a model that cannot be read, LiveError for one that cannot keep up."""
        model = load_network(self.settings.paths.models, model_id)
        cast = Cast(None, model)
        rehearsal = rehearse(cast, self.shape, self.block())
        check_load(rehearsal.load, cast, self.shape, self.block(), self.block_option)
        path = tcn_path(model, self.shape)
        after = settle_frames(model, self.shape.sample_rate)
        return Arrival(model, Newcomer("tcn", path, after, rehearsal.levels["tcn"]))

    def stop(self) -> None:
        """Look no more; a model that is being made ready is not waited for, which `is_busy` tells."""
        self.ended.set()
        if self.thread.is_alive():
            self.thread.join(STOP_SECONDS)

    @property
    def is_busy(self) -> bool:
        """Whether the thread is at work, or would be had nobody ended it."""
        return self.thread.is_alive()


def be_polite() -> None:
    """Let this thread wait for all others, where the system knows such a thing of threads."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), POLITENESS)
