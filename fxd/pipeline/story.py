"""What the database is told of a claimed file: one run, done or failed, with every step on the way; and people,
in a line."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from fxd.pipeline.claim import Claim
from fxd.pipeline.job import Outcome
from fxd.store.records import Environment, Result, Run, Step


def done_run(claim: Claim, outcome: Outcome, names: Mapping[str, str], environment: Environment) -> Run:
    """The run of a file whose outputs are visible, under these names by engine."""
    now = datetime.now(UTC)
    return Run(
        id=claim.id,
        file=claim.file,
        sha256=outcome.sha256,
        state="done",
        reason="",
        received_at=claim.received_at,
        finished_at=now,
        sample_rate=outcome.sample_rate,
        channels=outcome.channels,
        frames=outcome.frames,
        bytes=claim.signature[0],
        queue_seconds=queue_seconds(claim),
        total_seconds=seconds_between(claim.received_at, now),
        environment=environment,
        results=tuple(replace(one, output=names[one.engine]) for one in outcome.results),
        steps=(*claim.steps, Step(now, "recorded")),
        content_sha256=outcome.content_sha256,
        warm_up=outcome.warm_up,
    )


def failed_run(claim: Claim, reason: str, environment: Environment) -> Run:
    """The run of a file that cannot be processed."""
    now = datetime.now(UTC)
    return Run(
        id=claim.id,
        file=claim.file,
        sha256="",
        state="failed",
        reason=reason,
        received_at=claim.received_at,
        finished_at=now,
        sample_rate=0,
        channels=0,
        frames=0,
        bytes=claim.signature[0],
        queue_seconds=queue_seconds(claim),
        total_seconds=seconds_between(claim.received_at, now),
        environment=environment,
        steps=(*claim.steps, Step(now, "failed", reason)),
    )


def queue_seconds(claim: Claim) -> float:
    """From seen to the start of the last attempt."""
    started = [step.at for step in claim.steps if step.name == "started"]
    return seconds_between(claim.received_at, started[-1]) if started else 0.0


def seconds_between(earlier: datetime, later: datetime) -> float:
    """Never below zero: the clock may have been set back in between."""
    return max(0.0, (later - earlier).total_seconds())


def summary(run: Run) -> str:
    """One line about a run that went well."""
    speeds = ", ".join(f"{one.engine} {speed(one, run):.0f}x" for one in run.results)
    quality = next((one.quality for one in run.results if one.quality is not None), None)
    esr = f", ESR {quality.esr_db:.1f} dB" if quality is not None and quality.esr == quality.esr else ""
    return f"{run.file}: {run.seconds:.1f} s, {speeds}{esr}"


def speed(result: Result, run: Run) -> float:
    return run.seconds / result.engine_seconds if result.engine_seconds else float("inf")
