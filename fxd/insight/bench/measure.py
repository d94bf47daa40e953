"""The whole benchmark, step by step, into one document: what `fxd bench --json` prints and the store keeps."""

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fxd import __version__
from fxd.config import Settings
from fxd.engines.engine import Array, Engine
from fxd.engines.peak import multiply_add_peak
from fxd.engines.settings_hash import settings_hash
from fxd.environment import describe_environment
from fxd.insight.bench.contenders import (
    PACKAGES,
    RATE,
    SHORT_BLOCK,
    Contender,
    all_contenders,
)
from fxd.insight.bench.extent import Extent
from fxd.insight.bench.figures import figure
from fxd.insight.bench.latency import measure_latency
from fxd.insight.bench.material import gather, timed_sound
from fxd.insight.bench.memory import measure_memory
from fxd.insight.bench.outputs import measure_outputs
from fxd.insight.bench.pairs import measure_pair
from fxd.insight.bench.pinning import one_core
from fxd.insight.bench.progress import Count, OnProgress, OnStep
from fxd.insight.bench.rotation import Runner, rotate, signal_for
from fxd.insight.bench.rows import material_json, model_json, ratios, speed_row
from fxd.insight.bench.subjects import Subject, labels
from fxd.store.records import Bench, Environment

REMEDY = "pip install 'fxd[bench]'"
LIBRARIES = ("onnx", "onnxruntime", "pedalboard")


def run_bench(
    settings: Settings,
    files: Sequence[Path],
    subjects: Sequence[Subject],
    extent: Extent,
    on_progress: OnProgress,
) -> Bench:
    """Measure everything; `on_progress` hears what is measured now.

    Raises AudioError or OSError for a file that cannot be used.
    """
    started_at, begin, load = datetime.now(UTC), time.perf_counter(), os.getloadavg()[0]
    on_step = Count(on_progress)
    on_step("reading the files")
    material = gather(settings, files, extent.sound_seconds)
    sound = timed_sound(material, extent.timed_seconds)
    named = labels(subjects)
    runners, missing = ready(all_contenders(named, settings.saturator), sound)
    rounds, apart = len(runners) * (1 + extent.repetitions), len(frugal(runners)) + 1
    on_step.total = rounds + len(material.sounds) + len(subjects) + 4 + apart * extent.processes
    with one_core():
        peaks = rotate(runners, extent.repetitions, multiply_add_peak, on_step)
        on_step("latency")
        latency = measure_latency(live_entries(runners), extent.blocks)
    outputs = measure_outputs(material, settings.saturator, subjects, on_step)
    environment = describe_environment(threads=1, also=LIBRARIES)
    document = {
        "id": f"{started_at:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        "started_at": started_at.isoformat(),
        "fxd": __version__,
        "settings_hash": settings_hash(settings.saturator),
        "settings": asdict(extent),
        "environment": asdict(environment),
        "load_before": load,
        "material": material_json(material),
        "missing": missing,
        "peak_multiply_adds": figure(peaks),
        "models": [model_json(subject, settings.saturator) for subject in subjects],
        "speed": [speed_row(runner, peaks) for runner in runners],
        "ratios": ratios(runners),
        "latency": latency,
        "outputs": outputs,
        "memory": measure_memory(frugal(runners), sound, on_step) if extent.processes else None,
        "workers": workers(runners, sound, extent.repetitions, on_step) if extent.processes else None,
    }
    document["seconds"] = time.perf_counter() - begin
    return as_record(document, started_at, environment)


def as_record(document: dict[str, Any], started_at: datetime, environment: Environment) -> Bench:
    own = (document["settings_hash"], document["fxd"], document)
    return Bench(document["id"], started_at, environment, *own)


def ready(contenders: Sequence[Contender], sound: Array) -> tuple[list[Runner], list[dict[str, str]]]:
    """Those that can run, built, and those that cannot, with the reason."""
    runners, missing = [], []
    for contender in contenders:
        try:
            engine = contender.build()
            runners.append(Runner(contender, engine, signal_for(contender, sound)))
        except ImportError as error:
            if contender.form not in PACKAGES:
                raise
            missing.append({"name": contender.name, "reason": f"{error.name} is not installed: {REMEDY}"})
        except ValueError as error:
            missing.append({"name": contender.name, "reason": str(error)})
    return runners, missing


def live_entries(runners: Sequence[Runner]) -> list[tuple[Contender, Engine, Array]]:
    """Each engine in each form once, mono."""
    chosen = {
        (one.contender.engine, one.contender.subject, one.contender.form, one.contender.sample_rate): one
        for one in reversed(runners)
        if one.contender.channels == 1
    }
    return [(one.contender, one.engine, one.dry) for one in reversed(chosen.values())]


def frugal(runners: Sequence[Runner]) -> list[Contender]:
    """Those whose memory is told: mono, at the one rate, the kernels in one call."""
    return [
        one.contender
        for one in runners
        if (one.contender.channels, one.contender.sample_rate) == (1, RATE)
        and one.contender.block != SHORT_BLOCK
    ]


def workers(
    runners: Sequence[Runner], sound: Array, repetitions: int, on_step: OnStep
) -> dict[str, Any] | None:
    """Two workers against one, each with both engines as the daemon runs them; None with one core."""
    on_step("two workers")
    kernels = [one.contender for one in runners if one.contender.form == "kernel"]
    dsp = next(one for one in kernels if one.engine == "dsp")
    tcn = next(one for one in kernels if one.engine == "tcn")
    return measure_pair([dsp, tcn], sound, repetitions)
