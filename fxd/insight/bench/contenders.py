"""Who runs against whom: an engine in one form, on one kind of signal, fed in blocks of one size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fxd.config import SaturatorSettings
from fxd.engines.engine import Engine
from fxd.engines.tcn import Tcn, TcnModel
from fxd.insight.bench.subjects import Subject
from fxd.store.records import EngineName

Form = Literal["kernel", "pytorch", "pytorch-mm", "onnxruntime", "scipy", "pedalboard"]

WHOLE = 0
"""Block size that stands for the whole signal in one call."""
LONG_BLOCK, SHORT_BLOCK = 65_536, 64
RATE = 48_000
"""Hz, of the network, and of the sound that everything is timed on."""
OTHER_RATE = 44_100
"""Hz, at which the network is timed too, with the resampling around it."""

PACKAGES: Mapping[Form, str] = {"onnxruntime": "onnxruntime", "pedalboard": "pedalboard"}
"""The forms of the extra `fxd[bench]`, and what they import."""


@dataclass(frozen=True)
class Contender:
    """What is timed, as plain data: another process can build it too."""

    engine: EngineName
    subject: str
    """Of the network its preset; of the saturator its antialiasing, `none` or `on`."""
    form: Form
    block: int
    channels: int
    sample_rate: int
    settings: SaturatorSettings
    network: TcnModel | None = None

    @property
    def name(self) -> str:
        """All that tells it from the others: two benchmarks are compared by these names."""
        blocks = "whole" if self.block == WHOLE else f"blocks of {self.block}"
        channels = {1: "mono", 2: "stereo"}[self.channels]
        return f"{self.engine} {self.subject}, {self.form}, {blocks}, {channels}, {self.sample_rate} Hz"

    def build(self) -> Engine:
        """The engine, with all that it imports.

        Raises ImportError where a package of the extra is missing.
        """
        if self.network is not None:
            return build_tcn(self.form, self.network)
        return build_dsp(self.form, self.settings)


def build_tcn(form: Form, network: TcnModel) -> Engine:
    match form:
        case "pytorch":
            from fxd.insight.bench.rivals.eager import EagerTcn

            return EagerTcn(network)
        case "pytorch-mm":
            from fxd.insight.bench.rivals.matrices import MatrixTcn

            return MatrixTcn(network)
        case "onnxruntime":
            from fxd.insight.bench.rivals.runtime import OnnxTcn

            return OnnxTcn(network)
        case _:
            return Tcn(network)


def build_dsp(form: Form, settings: SaturatorSettings) -> Engine:
    match form:
        case "scipy":
            from fxd.insight.bench.rivals.filters import ScipySaturator

            return ScipySaturator(settings)
        case "pedalboard":
            from fxd.insight.bench.rivals.plugins import PedalboardChain

            return PedalboardChain(settings)
        case _:
            from fxd.engines.saturator import Saturator

            return Saturator(settings)


def path_of(engine: Any) -> str:
    """Which code an engine runs: library and version, and the processor's vectors where that is known."""
    path: str = getattr(engine, "path", "")
    return path or kernel_path()


def kernel_path() -> str:
    """Numba's version and the vectors that fxd's own kernels are made of."""
    # Imported here: a process that measures a rival's memory must not hold Numba.
    import numba

    from fxd.vectors.registers import LANES

    return f"Numba {numba.__version__}, {LANES} lanes" if LANES > 1 else f"Numba {numba.__version__}, scalar"


def all_contenders(subjects: Mapping[str, Subject], saturator: SaturatorSettings) -> list[Contender]:
    """Everybody, whether installed or not, in the order of the tables."""
    return [
        *saturators(saturator),
        *(one for name in subjects for one in networks(name, subjects[name], saturator)),
    ]


def saturators(saturator: SaturatorSettings) -> list[Contender]:
    """The saturator in mono and in stereo, with and without antialiasing."""
    on, none = (saturator.model_copy(update={"antialias": value}) for value in ("on", "none"))
    forms: Sequence[tuple[str, Form, SaturatorSettings]] = (
        ("on", "kernel", on),
        ("none", "kernel", none),
        ("none", "scipy", none),
        ("none", "pedalboard", none),
    )
    return [
        Contender("dsp", subject, form, WHOLE, channels, RATE, settings)
        for channels in (1, 2)
        for subject, form, settings in forms
    ]


def networks(name: str, subject: Subject, saturator: SaturatorSettings) -> list[Contender]:
    """One network in every form, mono; a channel more costs as much again."""
    forms: Sequence[tuple[Form, int, int]] = (
        ("kernel", WHOLE, RATE),
        ("kernel", SHORT_BLOCK, RATE),
        ("kernel", WHOLE, OTHER_RATE),
        ("pytorch", WHOLE, RATE),
        ("pytorch", LONG_BLOCK, RATE),
        ("pytorch-mm", LONG_BLOCK, RATE),
        ("onnxruntime", LONG_BLOCK, RATE),
    )
    return [
        Contender("tcn", name, form, block, 1, rate, saturator, subject.network)
        for form, block, rate in forms
    ]
