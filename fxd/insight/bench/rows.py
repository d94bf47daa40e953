"""The rows of the document: what was measured, as JSON has it. Everything that is not known is null."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, Engine, drive
from fxd.engines.settings_hash import settings_hash
from fxd.insight.bench.contenders import WHOLE, Contender, path_of
from fxd.insight.bench.figures import Figure, figure, finite, quotient
from fxd.insight.bench.material import Material
from fxd.insight.bench.rotation import Runner
from fxd.insight.bench.subjects import Subject
from fxd.metrics import decibels, esr

CHECKED_SECONDS = 0.5
"""Of the sound over which a contender is compared with its reference."""
EXACT_DB = -200.0
"""Stands for no error at all, which has no decibels."""


def material_json(material: Material) -> dict[str, Any]:
    files = [
        {
            "file": sound.file,
            "content_sha256": sound.content_sha256,
            "seconds": sound.seconds,
            "sample_rate": sound.sample_rate,
            "channels": len(sound.dry),
            "silent": not sound.dry.any(),
        }
        for sound in material.sounds
    ]
    return {
        "origin": material.origin,
        "seconds": sum(sound.seconds for sound in material.sounds),
        "files": files,
    }


def model_json(subject: Subject, saturator: SaturatorSettings) -> dict[str, Any]:
    network = subject.network
    return {
        "id": network.id,
        "preset": subject.preset,
        "origin": subject.origin,
        "serves": subject.serves,
        "learned_these_settings": network.settings_hash == settings_hash(saturator),
        "sample_rate": network.sample_rate,
        "weights": network.architecture.weight_count,
        "multiply_adds": network.architecture.multiply_adds,
        "receptive_field": network.architecture.receptive_field,
        "model_bytes": subject.model_bytes,
    }


def speed_row(runner: Runner, peaks: Sequence[float]) -> dict[str, Any]:
    """One contender: its speed, its share of the peak round by round, and what it ran."""
    contender = runner.contender
    return {
        "name": contender.name,
        "engine": contender.engine,
        "subject": contender.subject,
        "form": contender.form,
        "block": contender.block or None,
        "channels": contender.channels,
        "sample_rate": contender.sample_rate,
        "path": path_of(runner.engine),
        "x_realtime": figure(runner.x_realtime),
        "peak_share": peak_share(runner, peaks),
        "passes": runner.passes,
        "error_db": error_db(runner),
    }


def peak_share(runner: Runner, peaks: Sequence[float]) -> Figure | None:
    """Multiply-adds a second over the most that the core could do; None for the saturator, which has few.

    At another rate than the network's own, the work is that of the network at its own rate.
    """
    network = runner.contender.network
    if network is None:
        return None
    a_second = network.architecture.multiply_adds * network.sample_rate
    return quotient([a_second * speed for speed in runner.x_realtime], peaks)


def error_db(runner: Runner) -> float | None:
    """How far a contender's output is from its reference in float64, as ESR in dB; None where it has none.

    The reference of a network is PyTorch's, that of the saturator without antialiasing SciPy's. It tells
    that all who are compared compute the same, and by how much pedalboard does not. Silence has no error.
    """
    contender = runner.contender
    engine = reference(contender)
    if engine is None:
        return None
    dry = runner.dry[:, : int(CHECKED_SECONDS * contender.sample_rate)]
    target = output(engine, contender, dry, WHOLE)
    found = decibels(esr(target, output(runner.engine, contender, dry, contender.block)))
    return finite(max(found, EXACT_DB))


def reference(contender: Contender) -> Engine | None:
    if contender.network is not None and contender.sample_rate == contender.network.sample_rate:
        import torch

        from fxd.insight.bench.rivals.eager import EagerTcn

        return EagerTcn(contender.network, torch.float64)
    if contender.engine == "dsp" and contender.subject == "none" and contender.form != "scipy":
        from fxd.insight.bench.rivals.filters import ScipySaturator

        return ScipySaturator(contender.settings)
    return None


def output(engine: Engine, contender: Contender, dry: Array, block: int) -> Array:
    """The aligned output of an engine for a whole signal, fed in blocks of that size."""
    step = block or dry.shape[1]
    blocks = (dry[:, start : start + step] for start in range(0, dry.shape[1], step))
    channels = contender.channels
    return np.concatenate(
        list(drive(engine.stream(contender.sample_rate, channels), blocks, channels)), axis=1
    )


def ratios(runners: Sequence[Runner]) -> list[dict[str, Any]]:
    """How many times as fast the kernel is as each rival at the same work, round by round."""
    return [
        {"kernel": own.contender.name, "rival": rival.contender.name, "times": times(own, rival)}
        for rival in runners
        for own in runners
        if is_match(own.contender, rival.contender)
    ]


def times(own: Runner, rival: Runner) -> Figure:
    return quotient(own.x_realtime, rival.x_realtime)


def is_match(own: Contender, rival: Contender) -> bool:
    """Is `own` the kernel that does a rival's work? It takes the whole signal: to it that is a long block.

    Both saturators are held against pedalboard, which has no antialiasing.
    """
    if own.form != "kernel" or rival.form == "kernel" or own.block != WHOLE:
        return False
    alike = ("engine", "channels", "sample_rate", *(() if rival.form == "pedalboard" else ("subject",)))
    return all(getattr(own, name) == getattr(rival, name) for name in alike)
