"""Attempt folder -> outbox -> training set -> database -> archive; runs in the daemon only.

The order makes a crash harmless. Outputs are checked and synced before anybody sees them; the names chosen are
written down first, so that a repeated step chooses the same; the run is recorded in one transaction before its
original leaves the claim. Whatever was not recorded is done again at the next start, under the same names.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePath

import soundfile

from fxd.config import Settings
from fxd.pipeline.archive import to_done, to_failed
from fxd.pipeline.claims import Claim
from fxd.pipeline.files import appear, display, fitted, numbered, split_name, usable_folder, write_text
from fxd.pipeline.process import DRY_STEM, Outcome
from fxd.store.records import EngineName, Environment, Example, Result, Run, Step
from fxd.store.store import Store
from fxd.training.dataset import dry_path, subset_of

ATTEMPTS = ".attempts"
MANIFEST = "manifest.json"
STRAY_SECONDS = 86_400.0


class Unfinished(OSError):
    """An output is not what the worker made: the disk did not keep it. The attempt is repeated."""


@dataclass(frozen=True)
class Publisher:
    """Publishes into one home. Its methods raise OSError or StoreUnavailable where the machine is in trouble;
    calling them again, in this life or the next, completes what was cut short.
    """

    settings: Settings
    store: Store
    environment: Environment
    outbox: Path

    @property
    def attempts(self) -> Path:
        return self.outbox / ATTEMPTS

    def text(self, name: PurePath) -> str:
        """How the store knows an output: by its name below the home's outbox, elsewhere by its whole path."""
        return display(name if self.outbox == self.settings.paths.outbox else self.outbox / name)

    def attempt_folder(self, claim: Claim) -> Path:
        """A new folder for the next attempt at `claim`; `remove_attempts` removes them all."""
        number = 1 + sum(1 for _ in self.attempts_of(claim.id))
        return self.attempts / f"{claim.id}.{number}"

    def attempts_of(self, run_id: str) -> list[Path]:
        return sorted(self.attempts.glob(f"{run_id}.*")) if self.attempts.is_dir() else []

    def publish(self, claim: Claim, attempt: Path, outcome: Outcome) -> tuple[Run, Path | None]:
        """Make the outputs appear, record the run, archive the original; returns where that lies now.

        Raises Unfinished where the attempt has to be repeated.
        """
        run = self.release(claim, attempt, outcome)
        return run, self.archive(claim, run)

    def release(self, claim: Claim, attempt: Path, outcome: Outcome) -> Run:
        """Make the outputs appear and record the run; the original stays where it is."""
        names = read_manifest(attempt)
        if not names:
            check_outputs(attempt, outcome)
            names = self.choose_names(claim, attempt, outcome)
        for result in outcome.results:
            # One that is no longer there was published before something further down failed.
            if (attempt / result.output).exists():
                appear(attempt / result.output, self.outbox / names[result.engine])
        claim.note("published", ", ".join(self.text(name) for name in names.values()))
        example = self.keep_dry(attempt, outcome)
        results = tuple(replace(one, output=self.text(names[one.engine])) for one in outcome.results)
        run = self.run_of(claim, outcome, results)
        self.store.record_run(run, example)
        return run

    def fail(self, claim: Claim, reason: str) -> Path | None:
        """Record that a file cannot be processed, and quarantine it with the reason; returns where it lies."""
        return self.archive(claim, self.record_failure(claim, reason))

    def record_failure(self, claim: Claim, reason: str) -> Run:
        """Record that a file cannot be processed; the original stays where it is."""
        run = self.failed_run(claim, reason)
        self.store.record_run(run, None)
        self.remove_attempts(claim.id)
        return run

    def failed_run(self, claim: Claim, reason: str) -> Run:
        finished_at = datetime.now(UTC)
        return Run(
            id=claim.id,
            file=claim.file,
            sha256="",
            state="failed",
            reason=reason,
            received_at=claim.received_at,
            finished_at=finished_at,
            sample_rate=0,
            channels=0,
            frames=0,
            bytes=claim.signature[0],
            queue_seconds=queue_seconds(claim),
            total_seconds=(finished_at - claim.received_at).total_seconds(),
            environment=self.environment,
            steps=(*claim.steps, Step(finished_at, "failed", reason)),
        )

    def archive(self, claim: Claim, run: Run) -> Path | None:
        """Move the original of a recorded run out of the claim, and clean up after it."""
        inbox = self.settings.paths.inbox
        keep = self.settings.inbox.archive
        final = to_failed(claim, inbox, run.reason) if run.state == "failed" else to_done(claim, inbox, keep)
        self.remove_attempts(claim.id)
        where = display(final.relative_to(inbox)) if final else "deleted ([inbox] archive is false)"
        self.store.add_step(run.id, Step(datetime.now(UTC), "archived", where))
        return final

    def remove_attempts(self, run_id: str) -> None:
        for folder in self.attempts_of(run_id):
            shutil.rmtree(folder)

    def remove_strays(self) -> None:
        """Remove the attempt folders of recorded runs, and of those that nobody can be at any more."""
        if self.attempts.is_dir():
            for folder in self.attempts.iterdir():
                is_old = time.time() - folder.stat().st_mtime > STRAY_SECONDS
                if is_old or self.store.has_run(folder.name.split(".")[0]):
                    shutil.rmtree(folder)

    def choose_names(self, claim: Claim, attempt: Path, outcome: Outcome) -> dict[str, PurePath]:
        """Where the outputs go below the outbox, by engine; written down before they go there.

        `riff.wav` gives `riff.dsp.wav`; if another content has that name, `riff.2.dsp.wav`, and so on.
        """
        for earlier in self.attempts_of(claim.id):
            names = read_manifest(earlier)
            owners = {self.store.output_owner(self.text(name)) for name in names.values()}
            # Not recorded means that this run put it there before a crash; recorded for another content means
            # that the name was lost meanwhile.
            if names and owners <= {None, outcome.sha256}:
                return names
        engines: list[EngineName] = [result.engine for result in outcome.results]
        relative = usable_folder(self.outbox, claim.relative.parent) / claim.relative.name
        names = choose_names(relative, engines, lambda name: self.is_taken(name, outcome.sha256))
        write_text(attempt / MANIFEST, json.dumps({engine: str(name) for engine, name in names.items()}))
        return names

    def has_chosen_names(self, claim: Claim) -> bool:
        """Whether publishing has begun, so that outputs may be visible that no run is recorded for."""
        return any((attempt / MANIFEST).exists() for attempt in self.attempts_of(claim.id))

    def is_taken(self, name: PurePath, sha256: str) -> bool:
        """Whether `name` in the outbox is somebody else's: not made from the same content, or not by us."""
        return (self.outbox / name).exists() and self.store.output_owner(self.text(name)) != sha256

    def keep_dry(self, attempt: Path, outcome: Outcome) -> Example:
        """Put the dry sound into the training set, named by its content."""
        suffix = outcome.dry_suffix
        final = dry_path(self.settings.dataset, outcome.content_sha256, suffix)
        dry = attempt / (DRY_STEM + suffix)
        if not final.exists():
            appear(dry, final)
        return Example(
            content_sha256=outcome.content_sha256,
            settings_hash=outcome.settings_hash,
            subset=subset_of(outcome.content_sha256),
            path=str(final.relative_to(self.settings.dataset)),
            sample_rate=outcome.sample_rate,
            channels=outcome.channels,
            frames=outcome.frames,
            bytes=final.stat().st_size,
            added_at=datetime.now(UTC),
        )

    def run_of(self, claim: Claim, outcome: Outcome, results: tuple[Result, ...]) -> Run:
        finished_at = datetime.now(UTC)
        return Run(
            id=claim.id,
            file=claim.file,
            sha256=outcome.sha256,
            state="done",
            reason="",
            received_at=claim.received_at,
            finished_at=finished_at,
            sample_rate=outcome.sample_rate,
            channels=outcome.channels,
            frames=outcome.frames,
            bytes=claim.signature[0],
            queue_seconds=queue_seconds(claim),
            total_seconds=(finished_at - claim.received_at).total_seconds(),
            environment=self.environment,
            results=results,
            steps=(*claim.steps, Step(finished_at, "recorded")),
        )


def choose_names(
    relative: PurePath, engines: Sequence[str], is_taken: Callable[[PurePath], bool]
) -> dict[str, PurePath]:
    """The first numbered names, one an engine, of which none is taken."""
    stem, _ = split_name(relative.name)
    for candidate in numbered(stem):
        names = {engine: relative.parent / fitted(candidate, f".{engine}.wav") for engine in engines}
        if not any(is_taken(name) for name in names.values()):
            return names
    raise AssertionError("numbered names never end")


def read_manifest(attempt: Path) -> dict[str, PurePath]:
    """The names that an earlier attempt chose; none where it came not so far."""
    try:
        text = (attempt / MANIFEST).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return {engine: PurePath(name) for engine, name in json.loads(text).items()}


def check_outputs(attempt: Path, outcome: Outcome) -> None:
    """Reopen every output and compare its length: a full disk can pass without an error.

    Raises Unfinished where one is not whole.
    """
    for result in outcome.results:
        path = attempt / result.output
        try:
            frames = soundfile.info(str(path)).frames
        except soundfile.LibsndfileError as error:
            raise Unfinished(f"{path} cannot be read back ({error}); is the disk full?") from error
        if frames != outcome.frames:
            raise Unfinished(f"{path} holds {frames} of {outcome.frames} frames; is the disk full?")


def queue_seconds(claim: Claim) -> float:
    """From seen to the start of the last attempt."""
    started = [step.at for step in claim.steps if step.name == "started"]
    return (started[-1] - claim.received_at).total_seconds() if started else 0.0
