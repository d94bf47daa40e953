"""Playing: engines and device together, from the first callback to the last.

A session is made (devices are found, engines compiled and warm), started, looked after by `tick` some twenty
times a second, and stopped. Whatever `tick` takes, the sound does not wait for it.
"""

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from fxd.config import SaturatorSettings, Settings
from fxd.engines.settings_hash import settings_hash
from fxd.environment import describe_environment
from fxd.insight.plain import short_id
from fxd.live.desk import Desk, Reading
from fxd.live.device import Card
from fxd.live.engines import Cast, Role, Shape, check_load, dsp_path, rehearse, settle_frames
from fxd.live.errors import LiveError
from fxd.live.follow import Arrival, ChampionWatch
from fxd.live.knobs import Knob, turned
from fxd.live.record import Recorder
from fxd.live.setup import DEFAULT_BLOCK, Wish, cast_of, wire
from fxd.live.switch import Newcomer, Switcher
from fxd.pipeline.files import display
from fxd.store.records import LiveSession
from fxd.store.store import Store

SILENT_SECONDS = 2.0
"""Without a callback for so long, and for some blocks, the device is gone."""
SILENT_BLOCKS = 16
KEYS_ORDER: tuple[Role, ...] = ("dsp", "tcn", "bypass")


@dataclass(frozen=True)
class View:
    """A session as a person sees it."""

    device: str
    sample_rate: int
    block: int
    block_option: str
    """What a person writes before its size."""
    seconds: float
    heard: Role
    roles: tuple[Role, ...]
    model: str
    """Empty where there is none."""
    saturator: SaturatorSettings | None
    reading: Reading
    engine_seconds: float
    device_seconds: float
    """nan where the device does not tell."""
    recording: str
    note: str


class Session:
    """Engines that somebody plays through."""

    def __init__(self, settings: Settings, store: Store, wish: Wish) -> None:
        """Everything but the first callback. Raises LiveError, StoreError or ModelError where it cannot be."""
        self.settings = settings
        self.store = store
        self.wish = wish
        self.wiring = wire(wish)
        self.shape = Shape(self.wiring.sample_rate, wish.channels)
        self.cast = cast_of(settings, store, wish)
        self.expected_block = self.wiring.block or DEFAULT_BLOCK
        """A JACK server tells its own with the first callback."""
        rehearsal = rehearse(self.cast, self.shape, self.expected_block)
        check_load(rehearsal.load, self.cast, self.shape, self.expected_block, self.wiring.block_option)
        paths = self.cast.paths(self.shape)
        longest = max(path.latency for path in paths.values())
        recording = wish.record is not None
        self.desk = Desk(self.shape.sample_rate, wish.channels, self.wiring.ports, longest, recording)
        first: Role = "tcn" if wish.engines == "tcn" else "dsp"
        self.switcher = Switcher(self.desk, paths, rehearsal.levels, first, self.cast.is_alike)
        self.card = Card(self.wiring, self.desk)
        self.watch = self.champion_watch()
        self.note = self.difference()
        self.id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:4]}"
        self.environment = describe_environment(threads=1, also=("sounddevice",))
        self.started_at = datetime.now(UTC)
        self.began = time.monotonic()
        self.alive = (0, self.began)
        """How many callbacks there were, and when there were fewer last."""
        # The last thing, as it makes files.
        self.recorder = Recorder(self.desk, wish.record) if wish.record is not None else None

    @property
    def block(self) -> int:
        """Frames that the device asked for at last."""
        return self.desk.block or self.expected_block

    @property
    def seconds(self) -> float:
        """Since the sound began, whatever becomes of the system's time meanwhile."""
        return time.monotonic() - self.began

    def champion_watch(self) -> ChampionWatch | None:
        """Nobody is to replace a model that was asked for by name."""
        if self.cast.model is None or self.wish.model is not None:
            return None
        return ChampionWatch(
            self.settings,
            self.store,
            self.shape,
            lambda: self.block,
            self.wiring.block_option,
            self.cast.model.id,
        )

    def start(self) -> None:
        """Let the sound begin. Raises LiveError where the device refuses."""
        if self.recorder is not None:
            self.recorder.start()
        self.started_at = datetime.now(UTC)
        self.began = time.monotonic()
        self.alive = (0, self.began)
        self.card.start()
        if self.watch is not None:
            self.watch.start()

    def tick(self) -> None:
        """Do what has come up. Raises LiveError where the device is gone."""
        self.check_device()
        if (news := self.watch.news() if self.watch is not None else None) is not None:
            self.welcome(news)
        arrived = self.switcher.tick()
        if arrived is not None and arrived.role == "tcn" and self.cast.model is not None:
            self.note = f"{short_id(self.cast.model.id)} serves now, and is what you hear of the network"
        if self.recorder is not None and self.recorder.error is not None:
            self.note = f"the recording is not whole: {self.recorder.failure}"

    def check_device(self) -> None:
        calls, now = int(self.desk.reading().calls), time.monotonic()
        before, since = self.alive
        if calls != before:
            self.alive = calls, now
            return
        patience = max(SILENT_SECONDS, SILENT_BLOCKS * self.block / self.shape.sample_rate)
        if not self.card.is_active or now - since > patience:
            raise LiveError(
                f"{self.wiring.name} went away: the sound card was unplugged, or the sound server stopped; "
                "connect it again, or choose another (`fxd live --list`)"
            )

    def welcome(self, news: Arrival | str) -> None:
        if isinstance(news, str):
            self.note = news
            return
        self.cast = Cast(self.cast.saturator, news.model)
        self.switcher.is_alike = self.cast.is_alike
        self.switcher.replace(news.newcomer)

    def choose(self, role: Role) -> None:
        """Hear this one."""
        if self.switcher.choose(role):
            self.note = self.difference() if role == "tcn" else ""
        else:
            self.note = f"{role} is not there: this session began with --engine {self.wish.engines}"

    def go_back(self) -> None:
        """Hear the one before."""
        self.choose(self.switcher.before)

    def stay(self) -> None:
        """Ctrl-Z was pressed."""
        self.note = "playing cannot be suspended, as the sound server would wait for it: x ends it"

    def turn(self, knob: Knob, steps: int) -> None:
        """Turn one of the saturator's knobs."""
        if self.cast.saturator is None:
            self.note = "the knobs are the saturator's, and this session began with --engine tcn"
            return
        self.set_saturator(turned(self.cast.saturator, knob, steps))

    def reset(self) -> None:
        """The saturator as config.toml has it."""
        if self.cast.saturator is not None:
            self.set_saturator(self.settings.saturator)

    def set_saturator(self, saturator: SaturatorSettings) -> None:
        try:
            path = dsp_path(saturator, self.shape)
        except LiveError as error:
            self.note = str(error)
            return
        self.cast = Cast(saturator, self.cast.model)
        self.switcher.is_alike = self.cast.is_alike
        after = settle_frames(None, self.shape.sample_rate)
        self.switcher.replace(Newcomer("dsp", path, after, self.switcher.levels["dsp"]))
        self.note = self.difference()

    def difference(self) -> str:
        """A sentence where the network learned another saturator than the one that is heard; else nothing."""
        if self.cast.is_alike:
            return ""
        return "the network learned other settings: the knobs move the saturator alone"

    def view(self) -> View:
        recorder, reading = self.recorder, self.desk.reading()
        return View(
            device=self.wiring.name,
            sample_rate=self.shape.sample_rate,
            block=self.block,
            block_option=self.wiring.block_option,
            seconds=self.seconds,
            heard=self.switcher.wish,
            roles=tuple(role for role in KEYS_ORDER if role in self.switcher.lanes),
            model=short_id(self.cast.model.id) if self.cast.model is not None else "",
            saturator=self.cast.saturator,
            reading=reading,
            engine_seconds=self.desk.longest / self.shape.sample_rate,
            device_seconds=self.card.latency_seconds,
            recording=display(recorder.parts[-1][0]) if recorder is not None else "",
            note=self.note,
        )

    def record(self, ending: str = "") -> LiveSession:
        """The session so far, for the store."""
        reading = self.desk.reading()
        model = self.cast.model
        return LiveSession(
            id=self.id,
            started_at=self.started_at,
            seconds=self.seconds,
            ending=ending,
            environment=self.environment,
            engines=self.wish.engines,
            model_id=model.id if model is not None else None,
            settings_hash=settings_hash(self.cast.saturator or self.settings.saturator),
            device=self.wiring.name,
            sample_rate=self.shape.sample_rate,
            block=self.block,
            channels=self.shape.channels,
            engine_frames=self.desk.longest,
            device_seconds=self.card.latency_seconds or math.nan,
            calls=reading.calls,
            load_median=reading.load.median,
            load_p99=reading.load.p99,
            load_worst=reading.load.worst,
            late=reading.load.late,
            xruns=reading.xruns,
            bad_samples=reading.bad,
            clipped_samples=reading.clipped,
            switches=self.switcher.switches,
            recorded=display(self.recorder.parts[0][0]) if self.recorder and self.recorder.parts else "",
        )

    def stop(self) -> None:
        """End the sound, and finish the recording. Raises OSError where that could not be written."""
        if self.watch is not None:
            self.watch.stop()
        self.card.stop()
        if self.recorder is not None:
            self.recorder.stop()
